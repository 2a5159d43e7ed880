// Which files are sent, and why others are not.

/** Files that are no photos, by their suffixes, in the words of carmask.images. */
const OTHERS = [
  ["a camera's raw file; export it as JPEG or TIFF", "3fr arw cr2 cr3 dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 sr2 srf srw x3f"],
  ["a document of an editor; export it as JPEG, PNG or TIFF", "afphoto ai eps indd pdf psb psd svg xcf"],
  ["a video", "3gp avi m4v mkv mov mp4 mpg mts webm wmv"],
  ["a picture format that cannot be read; save it as JPEG, PNG or TIFF", "exr hdr ico icns jxl jxr pcx qoi sgi tga wdp"],
];
const REASONS = new Map(OTHERS.flatMap(([reason, suffixes]) => suffixes.split(" ").map((suffix) => [suffix, reason])));
const PHOTOS = "jpg jpeg jpe jfif jif mpo png webp heic heif hif avif tif tiff bmp dib gif".split(" ");
const HIDDEN = /^(\.|thumbs\.db$|desktop\.ini$)/i; // files of the system, which nobody sees
const NAMES = 12; // said of one reason

const NAMED = new Intl.Collator(undefined, { numeric: true });

/** The order of a job's photos: several are sent at once, and any may arrive first. */
export const byName = (one, other) => NAMED.compare(one.title, other.title) || one.number - other.number;

/** The files of a drop, those in its folders too. */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  const walk = async (entry) => {
    if (entry.isFile) files.push(await new Promise((done) => entry.file(done, () => done({ name: entry.name, gone: true }))));
    else {
      const reader = entry.createReader();
      for (;;) {
        const part = await new Promise((done) => reader.readEntries(done, () => { files.push({ name: entry.name, gone: true }); done([]); }));
        if (!part.length) break;
        for (const one of part) await walk(one);
      }
    }
  };
  for (const entry of entries) await walk(entry);
  return files;
}

/** Why a file is not sent; empty if it is. */
export function whyNot(file) {
  const suffix = file.name.includes(".") ? file.name.split(".").pop().toLowerCase() : "";
  if (file.gone) return "it cannot be read";
  if (REASONS.has(suffix)) return REASONS.get(suffix);
  if (!PHOTOS.includes(suffix) && !file.type.startsWith("image/")) return "not a picture";
  return file.size ? "" : "the file is empty";
}

/** Whether a file cannot be read any more: browsers then say the same as of a server that does not answer. */
export async function unreadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return false;
  } catch {
    return true;
  }
}

/** The photos among files, in the order of their names, and the names of the others with the reason. */
export function sorted(files) {
  const seen = files.filter((file) => !HIDDEN.test(file.name));
  seen.sort((one, other) => NAMED.compare(one.name, other.name));
  const others = seen.map((file) => [file.name, whyNot(file)]).filter(([, reason]) => reason);
  return { files: seen.filter((file) => !whyNot(file)), refused: others };
}

/** What is said of the files that are not taken: a line for each reason. */
export function listed(refused, count) {
  const names = new Map();
  for (const [name, reason] of refused) names.set(reason, [...(names.get(reason) ?? []), name]);
  const lines = [...names].map(([reason, all]) => {
    const more = all.length > NAMES ? ` and ${all.length - NAMES} more` : "";
    return `${all.slice(0, NAMES).join(", ")}${more}: ${reason}`;
  });
  const were = refused.length === 1 ? "was" : "were";
  return [`${refused.length} of ${count === 1 ? "1 file" : `${count} files`} ${were} not taken:`, ...lines].join("\n");
}
