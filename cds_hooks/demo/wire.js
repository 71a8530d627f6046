// Calls the service and keeps what went over the wire, byte for byte.

import { byId, el } from "./dom.js";

const SERVICES = "/cds-services/icans-";
const KEPT = 24; // exchanges on the page

export const call = (request) => send("POST", `${SERVICES}${request.hook}`, request, "application/json");
export const feedback = (hook, item) => send("POST", `${SERVICES}${hook}/feedback`, { feedback: [item] }, "application/json");

// One call of the FHIR server, with the token of the demo.
export const fhir = (server, token, method, path, content) =>
  send(method, `${server}/${path}`, content, "application/fhir+json", { Authorization: `Bearer ${token}` });

// {ok, status, ms, body}; body is null if the answer is no JSON, status 0 if there was no answer.
async function send(method, path, content, type, more = {}) {
  const sent = content === undefined ? "" : JSON.stringify(content);
  const began = performance.now();
  const exchange = { method, path, sent, status: 0, ms: 0, received: "" };
  try {
    const answer = await fetch(path, {
      method,
      headers: { ...(sent && { "Content-Type": type }), Accept: type, ...more },
      body: sent || undefined,
      cache: "no-store",
    });
    exchange.status = answer.status;
    exchange.received = await answer.text();
  } catch (error) {
    exchange.status = 0;
    exchange.received = error.message;
  }
  exchange.ms = Math.max(1, Math.round(performance.now() - began));
  show(exchange);
  return { ok: exchange.status >= 200 && exchange.status < 300, status: exchange.status, ms: exchange.ms, body: parsed(exchange.received) };
}

export function forget() {
  byId("exchanges").replaceChildren();
  byId("wire-empty").hidden = false;
}

function show({ method, path, sent, status, ms, received }) {
  byId("wire-empty").hidden = true;
  const list = byId("exchanges");
  for (const open of list.querySelectorAll("details[open]")) open.open = false;
  list.prepend(
    el(
      "article",
      { class: "exchange" },
      el(
        "p",
        { class: "line" },
        el("code", {}, `${method} ${path}`),
        el("span", { class: `tag ${status >= 200 && status < 300 ? "" : "failed"}` }, status === 0 ? "no answer" : String(status)),
        el("span", { class: "ms" }, `${ms} ms`),
      ),
      body("Request", sent, false),
      body("Response", received, true),
    ),
  );
  while (list.children.length > KEPT) list.lastElementChild.remove();
}

function body(name, text, open) {
  if (!text) return el("p", { class: "quiet nothing" }, `${name}: empty`);
  const label = `${name} JSON`;
  const pre = el("pre", { tabindex: 0, role: "region", "aria-label": label }, layout(text));
  const copy = el("button", { type: "button", class: "plain copy" }, "Copy");
  copy.setAttribute("aria-label", `Copy ${label}`);
  copy.addEventListener("click", () => copied(copy, text, pre));
  const size = new Blob([text]).size;
  const shown = size < 1000 ? `${size} B` : `${(size / 1000).toFixed(1)} kB`;
  return el("details", { open }, el("summary", {}, `${name} `, el("span", { class: "quiet" }, shown)), copy, pre);
}

async function copied(button, text, pre) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(pre); // no clipboard on a page that came over plain http
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => (button.textContent = "Copy"), 2500);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// Indents JSON without parsing it, so that every number and escape stays as it was sent.
export function layout(text) {
  if (parsed(text) === null) return text;
  let out = "";
  let depth = 0;
  let before = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const opens = before === "{" || before === "[";
    if (token === "}" || token === "]") {
      depth -= 1;
      out += opens ? token : line() + token;
    } else {
      if (opens) out += line();
      out += token === ":" ? ": " : token;
      if (token === ",") out += line();
      if (token === "{" || token === "[") depth += 1;
    }
    before = token;
  }
  return out;
}
