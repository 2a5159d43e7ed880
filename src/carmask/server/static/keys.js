// Every key of the editor, in one table: what the editor listens to and what the page of keys shows.

export const KEYS = [
  ["Decide", [
    ["accept", "Enter", "Accept, with what was mended, and go to the next photo"],
    ["save", "Ctrl+S", "Save the corrected mask and stay"],
    ["reject", "X", "Reject with a reason"],
    ["reopen", "Shift+X", "Take the decision back"],
    ["next", "N", "Next photo"],
    ["previous", "P", "Previous photo"],
    ["search", "/", "Search names"],
  ]],
  ["Mend", [
    ["brush", "B", "Brush: paint car"],
    ["eraser", "E", "Eraser: paint background"],
    ["lasso", "L", "Lasso: add what is inside"],
    ["unlasso", "K", "Lasso: take away what is inside"],
    ["snap", "S", "Snap to edge: draw roughly along the car's true edge"],
    ["smooth", "M", "Smooth the contour under the stroke"],
    ["fill", "F", "Fill the hole that is clicked"],
    ["remove", "C", "Remove the component that is clicked"],
    ["hand", "H", "Move the photo"],
    ["smaller", "[", "Smaller brush"],
    ["larger", "]", "Larger brush"],
    ["softer", "{", "Softer brush"],
    ["harder", "}", "Harder brush"],
    ["undo", "Ctrl+Z", "Undo"],
    ["redo", "Ctrl+Shift+Z", "Redo"],
    ["reset", "Shift+R", "Back to the network's mask"],
  ]],
  ["Look", [
    ["in", "+", "Larger"],
    ["out", "-", "Smaller"],
    ["fit", "0", "All of the photo"],
    ["one", "9", "One pixel is one pixel"],
    ["view1", "1", "Tint"],
    ["view2", "2", "Outline"],
    ["view3", "3", "On checkerboard"],
    ["view4", "4", "On white"],
    ["view5", "5", "On black"],
    ["view6", "6", "On the run's background"],
    ["view7", "7", "Photo alone"],
    ["view8", "8", "Rendered output"],
    ["cycle", "V", "Next view"],
    ["band", "U", "Where the network is uncertain"],
    ["before", "Q", "While held: the network's own mask"],
    ["keys", "?", "This page"],
  ]],
  ["Without a mouse", [
    ["", "Arrow keys", "Move the pointer; with Shift by one pixel; with Alt move the photo"],
    ["", "Space", "Begin and end a stroke; click with fill and remove"],
    ["", "Escape", "Give the stroke up"],
    ["", "Tab", "Go through buttons and lists"],
  ]],
  ["Mouse, pen, fingers", [
    ["", "Wheel", "Zoom at the pointer"],
    ["", "Middle button", "Move the photo; also Space while dragging"],
    ["", "Two fingers", "Zoom and move the photo"],
    ["", "Pen", "The brush follows its pressure"],
  ]],
];

const commands = new Map();
for (const [, rows] of KEYS) for (const [command, key] of rows) if (command) commands.set(key.toLowerCase(), command);
commands.set("ctrl+y", "redo");
commands.set("=", "in");
commands.set("pagedown", "next");
commands.set("pageup", "previous");

/** The command of a key, or undefined. */
export function commandOf(event) {
  const bracket = "[]{}".includes(event.key); // many keyboards have them with Alt, or AltGr, which some report as Ctrl+Alt
  if (event.altKey && !bracket) return undefined;
  const ctrl = event.metaKey || (event.ctrlKey && !(event.altKey && bracket));
  const key = event.key.toLowerCase();
  const letter = key.length > 1 || /[a-z]/.test(key);
  const name = `${ctrl ? "ctrl+" : ""}${event.shiftKey && letter ? "shift+" : ""}${key}`;
  return commands.get(name);
}

const page = document.getElementById("keys");
if (page) {
  for (const [title, rows] of KEYS) {
    const table = document.createElement("table");
    table.className = "plain";
    for (const [, key, text] of rows) {
      const row = table.insertRow();
      const head = document.createElement("th");
      for (const [number, part] of key.split(/(?<=.)\+/).entries()) {
        if (number) head.append(" + ");
        head.append(Object.assign(document.createElement("kbd"), { textContent: part }));
      }
      row.append(head);
      row.insertCell().textContent = text;
    }
    const section = document.createElement("section");
    section.append(Object.assign(document.createElement("h2"), { textContent: title }), table);
    page.append(section);
  }
}
