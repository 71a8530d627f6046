// A chart on a FHIR server: read for the page, and changed by what is accepted.

import { fhir } from "./wire.js";

const LISTS = {
  administrations: "MedicationAdministration",
  observations: "Observation",
  conditions: "Condition",
  medications: "MedicationRequest",
};

const called = (request, method, path, content) =>
  fhir(request.fhirServer, request.fhirAuthorization.access_token, method, path, content);

// The records the page shows, in the shape of a prefetch. Throws an Error when the patient cannot be read.
export async function chart(request) {
  const { patientId, encounterId } = request.context;
  const asked = Object.entries(LISTS).map(([key, kind]) => [key, `${kind}?patient=${patientId}&_count=300`]);
  asked.push(["patient", `Patient/${patientId}`]);
  if (encounterId) asked.push(["encounter", `Encounter/${encounterId}`]);
  const found = await Promise.all(
    asked.map(async ([key, path]) => {
      const answer = await called(request, "GET", path);
      if (!answer.ok && key === "patient") throw new Error(`The FHIR server answered ${answer.status} for the patient.`);
      return [key, answer.ok ? answer.body : null];
    }),
  );
  return Object.fromEntries(found);
}

// Does one action of a suggestion on the server: the resource as it is there now. Throws an Error with the reason.
export async function applied(request, { type, resource, resourceId }) {
  const place = resource && `${resource.resourceType}/${resource.id}`;
  const [method, path] =
    type === "delete" ? ["DELETE", [resourceId].flat()[0]] : resource.id ? ["PUT", place] : ["POST", resource.resourceType];
  const answer = await called(request, method, path, type === "delete" ? undefined : resource);
  if (!answer.ok) throw new Error(`The FHIR server answered ${answer.status || "nothing"}: ${answer.body?.issue?.[0]?.diagnostics ?? "no reason"}`);
  return answer.body;
}
