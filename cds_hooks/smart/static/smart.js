// The score while it is being taken. Nothing chosen is not assessed: the score is then a range, never lower.
"use strict";
const form = document.getElementById("bedside");
const shown = document.getElementById("score");
const ice = form.dataset.tool === "ice";
const items = [...form.querySelectorAll('fieldset[data-kind="boolean"], fieldset[data-kind="integer"]')];
const each = ice ? 1 : 4;

function points(item) {
  const chosen = item.querySelector("input:checked");
  if (!chosen || chosen.value === "") return null;
  return ice ? Number(chosen.value === "yes") : Number(chosen.value);
}

function count() {
  const given = items.map(points);
  const missing = given.filter((one) => one === null).length;
  const sum = given.reduce((all, one) => all + (one ?? 0), 0);
  const name = ice ? "ICE" : "CAPD";
  const unable = form.querySelector(`input[name="${name.toLowerCase()}-unable"]:checked`);
  if (unable && unable.value) shown.value = `${name}: unable to perform`;
  else if (missing === items.length) shown.value = `${name}: not assessed`;
  else if (missing) shown.value = `${name}: ${sum} to ${sum + missing * each}, ${missing} not assessed`;
  else shown.value = `${name}: ${sum} of ${items.length * each}`;
}

let sent = false;
form.addEventListener("change", count);
form.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
});
addEventListener("pageshow", () => { sent = false; });
document.getElementById("wrong")?.focus();
count();
