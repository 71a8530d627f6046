// Elements from words. Data goes in as text, never as markup.

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, heard] of Object.entries(value)) node.addEventListener(event, heard);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

// A link only to the web: a card cannot bring javascript: or file: addresses.
export function link(label, url) {
  if (!/^https?:\/\//i.test(url ?? "")) return el("span", {}, label);
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label);
}

// How long ago, in the words the cards use: minutes to 2 h, hours to 2 days, then days.
export function span(from, now = Date.now()) {
  const minutes = Math.floor((now - Date.parse(from)) / 60000);
  if (Number.isNaN(minutes)) return "time not given";
  if (minutes < 1) return "just now";
  if (minutes < 120 && minutes !== 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} days`;
}

const said = (at, form) => {
  const long = span(at);
  if (!/^\d/.test(long)) return long;
  return form === "for" ? `for ${long}` : `${long} ago`;
};

export function time(at, form = "ago") {
  const exact = new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return el("time", { datetime: at, title: exact, "data-form": form }, said(at, form));
}

export function refreshTimes() {
  for (const node of document.querySelectorAll("time[data-form]")) {
    node.textContent = said(node.dateTime, node.dataset.form);
  }
}

export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID(); // only where the page came over https or from loopback
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
