// What an EHR shows of a chart: who, what is running, what was found. Reads FHIR as given, decides nothing.

import { el, span, time } from "./dom.js";

const DAYS_SHOWN_PLAINLY = 30;

const resources = (bundle) => (bundle?.entry ?? []).map((entry) => entry.resource).filter(Boolean);
const words = (concept) => concept?.text ?? concept?.coding?.[0]?.display ?? concept?.coding?.[0]?.code;
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const drug = (order) => words(order.medicationCodeableConcept) ?? order.code?.text ?? order.resourceType;
export const dosage = (order) => order.dosageInstruction?.[0]?.text ?? order.description ?? "";
export const reference = (resource) => `${resource.resourceType}/${resource.id}`;

export function renderChart(chart, example, changed) {
  const { patient, administrations, observations, conditions, medications, encounter } = chart;
  const given = resources(administrations);
  const running = given.filter((one) => one.status === "in-progress");
  const earlier = given.filter((one) => one.status !== "in-progress");
  const found = resources(observations).sort((a, b) => Date.parse(seen(b)) - Date.parse(seen(a)));
  return [
    el(
      "div",
      { class: "who" },
      el("h2", {}, `Patient ${patient.id}`),
      el("p", {}, `${capital(patient.gender ?? "sex not given")}, ${example.age} years`),
      encounter?.period && el("p", { class: "quiet" }, "In hospital ", time(encounter.period.start, "for")),
    ),
    block("Running therapy", running.map(administration), "Nothing is running."),
    block("Orders in force", resources(medications).map((order) => inForce(order, changed)), "No orders on file."),
    block("Observations", found.map(observation), "No observations on file."),
    block("Earlier therapy", earlier.map(administration), null),
    block("Problems", resources(conditions).map(condition), null),
  ];
}

function block(title, rows, none) {
  if (!rows.length && !none) return null;
  const content = rows.length ? el("ul", { class: "rows" }, rows) : el("p", { class: "quiet" }, none);
  return el("section", { class: "block" }, el("h3", {}, title), content);
}

const row = (name, value, when, extra = {}) =>
  el(
    "li",
    { class: extra.class },
    el("span", { class: "name" }, name),
    when && el("span", { class: "when" }, when),
    value && el("span", { class: "value" }, value),
    extra.note && el("span", { class: "note" }, extra.note),
  );

function administration(one) {
  const from = one.effectivePeriod?.start ?? one.effectiveDateTime;
  if (one.status === "in-progress") return row(drug(one), one.dosage?.text, [time(from, "for")]);
  const to = one.effectivePeriod?.end;
  const value = to ? [`${span(from, Date.parse(to))}, ended `, time(to)] : ["given ", time(from)];
  return row(drug(one), one.dosage?.text, value, { class: "old" });
}

function inForce(order, changed) {
  const now = changed.has(reference(order));
  return row(drug(order), dosage(order), [el("span", { class: `tag ${now ? "changed" : ""}` }, order.status)], {
    note: now && "Changed here by a suggestion you accepted.",
  });
}

const seen = (one) => one.effectiveDateTime ?? one.effectiveInstant ?? one.effectivePeriod?.start ?? one.issued;

function observation(one) {
  const at = seen(one);
  const old = Date.now() - Date.parse(at) > DAYS_SHOWN_PLAINLY * 86400000;
  const name = (words(one.code) ?? "Observation").replace(/ \[.*$/, "").replace(/, ASTCT$/, "");
  return row(name, value(one), [time(at)], {
    class: old ? "old" : null,
    note: one.note?.map((note) => note.text).join(" "),
  });
}

function value(one) {
  if (one.valueQuantity) return `${one.valueQuantity.value} ${one.valueQuantity.unit ?? one.valueQuantity.code ?? ""}`;
  if (one.valueCodeableConcept) return words(one.valueCodeableConcept);
  const plain = one.valueInteger ?? one.valueString ?? one.valueBoolean;
  return plain === undefined ? (words(one.dataAbsentReason) ?? "no value") : String(plain);
}

const condition = (one) => row(words(one.code) ?? "Condition", null, [words(one.clinicalStatus) ?? ""]);
