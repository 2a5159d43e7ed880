// Questions of the editor: why a photo is rejected, and whose work counts.

import { $, make, toast, untoast } from "/static/common.js";
import { timeOf } from "/static/facts.js";

const REASONS = ["No car", "Several cars", "Car cut off", "Blurred", "Too dark or too bright", "Another reason"];

/** Ask why a photo is rejected; '' if it is not. */
export async function askReason() {
  $("reason").value = "";
  untoast("reason");
  $("reasons").replaceChildren(...REASONS.map((text, at) => {
    const radio = make("input", { type: "radio", name: "why", value: text });
    radio.onchange = () => { $("reason").value = at === REASONS.length - 1 ? "" : text; $("reason").focus(); };
    return make("label", {}, radio, make("kbd", {}, String(at + 1)), text);
  }));
  $("rejecting").returnValue = "";
  $("rejecting").showModal();
  $("reasons").querySelector("input").focus();
  await new Promise((done) => $("rejecting").addEventListener("close", done, { once: true }));
  const reason = $("reason").value.trim();
  if ($("rejecting").returnValue !== "ok") return "";
  if (!reason) toast("A reason is needed to reject a photo.", { bad: true, about: "reason" });
  return reason;
}
$("rejecting").addEventListener("keydown", (event) => {
  const number = Number(event.key);
  if (event.target !== $("reason") && number >= 1 && number <= REASONS.length) {
    event.preventDefault();
    $("reasons").querySelectorAll("input")[number - 1].click();
  }
});
$("rejecting").querySelector("[data-close]").onclick = () => $("rejecting").close("");

/** Somebody else decided first: ``stay`` with one's own work, take ``theirs``, or save ``mine`` over it. */
export async function askConflict({ author, decision, saved }) {
  $("conflict-text").textContent = `${author} saved this photo on ${timeOf({ saved })} (${decision}). Nothing was overwritten.`;
  return new Promise((done) => {
    for (const button of $("conflict").querySelectorAll("button")) {
      button.onclick = () => { $("conflict").close(); done(button.dataset.choice); };
    }
    $("conflict").oncancel = () => done("stay");
    $("conflict").showModal();
  });
}
