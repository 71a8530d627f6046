// The ward: a patient is chosen, orders are drafted and signed, cards are answered.

import { renderCard } from "./cards.js";
import { dosage, drug, reference, renderChart } from "./chart.js";
import { byId, el, refreshTimes, uuid } from "./dom.js";
import * as live from "./live.js";
import * as wire from "./wire.js";

const ward = {
  examples: [],
  example: null, // the entry chosen
  request: null, // its hook request
  chart: null, // what the page shows: its prefetch, or what the FHIR server holds
  called: "order-sign", // the hook called last: its cards get the feedback
  drafts: [], // {order, from}: `from` is the suggestion that drafted it
  changed: new Set(), // references of chart orders changed here
  call: 0, // answers to an earlier call are dropped
};

// ---- choosing a patient

async function begin() {
  const answer = await fetch("/demo/examples");
  if (!answer.ok) throw new Error(`The examples could not be loaded (${answer.status}).`);
  ward.examples = await answer.json();
  const cases = Map.groupBy?.(ward.examples, caseOf) ?? grouped(ward.examples);
  byId("patients").append(...[...cases].map(([name, entries]) => group(name, entries)));
  byId("patients").addEventListener("change", (event) => choose(event.target.value));
  const asked = location.hash.slice(1);
  await choose(ward.examples.some((one) => one.name === asked) ? asked : ward.examples[0].name);
}

const caseOf = (entry) => entry.name.split("-").slice(0, 2).join(" ");

function grouped(entries) {
  const cases = new Map();
  for (const entry of entries) cases.set(caseOf(entry), [...(cases.get(caseOf(entry)) ?? []), entry]);
  return cases;
}

function group(name, entries) {
  const ages = [...new Set(entries.map((entry) => entry.age))];
  const title = name.replace("case", "Case");
  return el(
    "fieldset",
    {},
    el("legend", {}, `${title}: ${entries[0].sex}, ${ages.join(" to ")} years`),
    el("div", { class: "tiles" }, entries.map(tile)),
  );
}

function tile(entry) {
  const words = entry.title.replace(/^Case \d+[:,]\s*/, "");
  return el(
    "label",
    { class: "tile" },
    el("input", { type: "radio", name: "example", value: entry.name }),
    el("span", { class: "tile-title" }, words.charAt(0).toUpperCase() + words.slice(1)),
    el("span", { class: "quiet" }, `Signing: ${entry.drafts.join("; ")}`),
  );
}

async function choose(name) {
  const call = (ward.call += 1);
  history.replaceState(null, "", `#${name}`);
  byId("patients").querySelector(`input[value="${CSS.escape(name)}"]`).checked = true;
  clear();
  const answer = await fetch(`/demo/examples/${encodeURIComponent(name)}`);
  if (call !== ward.call) return;
  if (!answer.ok) throw new Error(`The chart of ${name} could not be loaded (${answer.status}).`);
  const request = await answer.json();
  const chart = request.fhirServer && !request.prefetch ? await live.chart(request) : request.prefetch;
  if (call !== ward.call) return;
  Object.assign(ward, { request, chart });
  ward.example = ward.examples.find((entry) => entry.name === name);
  ward.drafts = ward.request.context.draftOrders.entry.map((entry) => ({ order: entry.resource, from: null }));
  show();
}

function clear() {
  Object.assign(ward, { request: null, chart: null, drafts: [], changed: new Set() });
  byId("chart").replaceChildren(el("p", { class: "quiet" }, "Loading the chart…"));
  byId("drafts").replaceChildren();
  for (const name of ["sign", "select", "view", "reset"]) byId(name).disabled = true;
  answered("No order has been signed yet.");
  wire.forget();
}

// ---- the chart and the drafts

function show() {
  byId("chart").replaceChildren(...renderChart(ward.chart, ward.example, ward.changed).filter(Boolean));
  byId("drafts").replaceChildren(...ward.drafts.map(draftRow));
  const count = ward.drafts.length;
  enable();
  byId("server").textContent = isLive()
    ? `The chart is on ${ward.request.fhirServer}. The service is sent no data: it fetches what it needs with the token of the call.`
    : "The chart is sent along with every call.";
  byId("signing-note").textContent =
    count === 0 ? "Nothing to sign." : `${count} draft ${count === 1 ? "order" : "orders"}. Signing asks the service; nothing is given.`;
}

const isLive = () => Boolean(ward.request?.fhirServer && !ward.request.prefetch);

function enable() {
  const none = ward.drafts.length === 0;
  byId("sign").disabled = byId("select").disabled = none;
  byId("view").disabled = byId("reset").disabled = false;
}

function draftRow(draft) {
  const remove = () => {
    ward.drafts = ward.drafts.filter((one) => one !== draft);
    altered();
    byId("orders").focus();
  };
  return el(
    "li",
    { class: draft.from ? "new" : null },
    el("span", { class: "name" }, drug(draft.order)),
    el("span", { class: "value" }, dosage(draft.order)),
    el("span", { class: "tag" }, draft.order.status ?? "draft"),
    draft.from && el("span", { class: "note" }, draft.from),
    el("button", { type: "button", class: "plain", "aria-label": `Remove ${drug(draft.order)}`, on: { click: remove } }, "Remove"),
  );
}

function altered() {
  byId("stale").hidden = !byId("cards").querySelector(".card");
  show();
}

// ---- signing

async function ask(hook) {
  const call = (ward.call += 1);
  const { draftOrders, selections, ...common } = ward.request.context;
  const drafted = { ...draftOrders, entry: ward.drafts.map(({ order }) => ({ resource: order })) };
  const context = {
    "patient-view": common,
    "order-select": { ...common, draftOrders: drafted, selections: ward.drafts.map(({ order }) => reference(order)) },
    "order-sign": { ...common, draftOrders: drafted },
  }[hook];
  answered("Asking the service…");
  byId("sign").disabled = byId("select").disabled = byId("view").disabled = true;
  const answer = await wire.call({ ...ward.request, hook, hookInstance: uuid(), context });
  if (call !== ward.call) return;
  ward.called = hook;
  enable();
  const cards = answer.ok ? answer.body?.cards : null;
  if (!Array.isArray(cards)) answered(`Error, ${answer.ms} ms`, problem(answer));
  else if (!cards.length) answered(`No cards, ${answer.ms} ms`, nothing());
  else answered(`${counted(cards)}, ${answer.ms} ms`, ...cards.map((card, place) => renderCard(card, place, doing)));
  byId("answer-title").focus({ preventScroll: true });
  byId("answer-title").closest("section").scrollIntoView({ block: "nearest" });
}

function answered(status, ...content) {
  byId("status").textContent = status;
  byId("stale").hidden = true;
  byId("cards").replaceChildren(...content);
}

function counted(cards) {
  const kinds = ["critical", "warning", "info"].map((kind) => [cards.filter((card) => card.indicator === kind).length, kind]);
  const parts = kinds.filter(([count]) => count).map(([count, kind]) => `${count} ${kind}`);
  return `${cards.length} ${cards.length === 1 ? "card" : "cards"} (${parts.join(", ")})`;
}

const nothing = () =>
  el("p", { class: "nothing-to-say" }, "No cards: everything needed was read and nothing asks for action.");

function problem({ status, body }) {
  const issues = body?.resourceType === "OperationOutcome" ? (body.issue ?? []) : [];
  return el(
    "div",
    { class: "error", role: "alert" },
    el("h3", {}, status === 0 ? "The service did not answer" : `No advice: the service answered ${status}`),
    issues.map((issue) => el("p", {}, issue.diagnostics ?? issue.details?.text ?? issue.code)),
    !issues.length && status !== 0 && el("p", {}, "The answer holds no cards and no reason."),
    el("p", {}, "This is an error, not an all-clear."),
  );
}

// ---- answering a card

const doing = {
  async accept(card, suggestion) {
    const done = [];
    for (const action of suggestion.actions ?? []) {
      const there = isLive() && action.type !== "delete" ? await live.applied(ward.request, action) : null;
      done.push(apply(there?.id ? { ...action, resource: there } : action, suggestion, Boolean(there)));
    }
    if (isLive()) ward.chart = await live.chart(ward.request);
    altered();
    const line = `Accepted. ${done.join(" ")}`;
    if (!card.uuid || !suggestion.uuid) return `${line} No feedback sent: the card names no uuid.`;
    return `${line} ${await told({ card: card.uuid, outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] })}`;
  },
  async override(card, overrideReason) {
    const words = [overrideReason.reason?.display ?? overrideReason.reason?.code, overrideReason.userComment];
    const line = `Overridden: ${words.filter(Boolean).join("; ")}.`.replace("..", ".");
    return `${line} ${await told({ card: card.uuid, outcome: "overridden", overrideReason })}`;
  },
};

async function told(item) {
  const answer = await wire.feedback(ward.called, { ...item, outcomeTimestamp: new Date().toISOString() });
  if (answer.ok) return "Feedback recorded.";
  const why = answer.body?.issue?.[0]?.diagnostics ?? (answer.status ? `status ${answer.status}` : "no answer");
  return `Feedback was NOT recorded: ${why}`;
}

// Does the action on this page's own drafts and chart; says what was done.
function apply({ type, resource, resourceId, description }, { label }, onServer) {
  if (type === "delete") {
    const gone = [resourceId].flat();
    ward.drafts = ward.drafts.filter(({ order }) => !gone.includes(reference(order)));
    return "The draft was removed.";
  }
  const where = onServer ? " It is on the FHIR server." : "";
  if (type === "update" && replaced(resource, label)) return `${drug(resource)}: the order is now ${resource.status}.${where}`;
  if (type === "create" || type === "update") {
    ward.drafts.push({ order: { ...resource, id: resource.id ?? `draft-${uuid().slice(0, 8)}` }, from: "New, from a suggestion" });
    return `${drug(resource)} was added to the orders to sign.${where}`;
  }
  return `Not done: ${description ?? type}.`;
}

function replaced(resource, label) {
  const wanted = reference(resource);
  const draft = ward.drafts.find(({ order }) => reference(order) === wanted);
  if (draft) {
    Object.assign(draft, { order: resource, from: `Changed: ${label}` });
    return true;
  }
  const entry = ward.chart.medications?.entry?.find((one) => one.resource && reference(one.resource) === wanted);
  if (!entry) return false;
  entry.resource = resource;
  ward.changed.add(wanted);
  return true;
}

// ---- start

function failed(error) {
  answered("Error", el("div", { class: "error", role: "alert" }, el("h3", {}, "The page could not go on"), el("p", {}, error.message)));
}

for (const [button, hook] of [["sign", "order-sign"], ["select", "order-select"], ["view", "patient-view"]]) {
  byId(button).addEventListener("click", () => ask(hook).catch(failed));
}
byId("reset").addEventListener("click", () => choose(ward.example.name).catch(failed));
addEventListener("hashchange", () => {
  const asked = location.hash.slice(1);
  if (ward.examples.some((one) => one.name === asked)) choose(asked).catch(failed);
});
setInterval(refreshTimes, 30000);
begin().catch(failed);
