// @medplum/core as a CDS client: discovery, its own prefetch from a FHIR server, one call. Prints what was sent and answered.
"use strict";
globalThis.WebSocket ??= class WebSocket extends EventTarget {}; // Node 20 has none; the library names it when it loads
const { MedplumClient, buildCdsRequest } = require("@medplum/core");

async function main({ fhir, services, token, service, context }) {
  const medplum = new MedplumClient({ baseUrl: `${fhir}/`, fhirUrlPath: ".", cdsServicesUrl: services });
  medplum.getAccessToken = () => token;
  medplum.fetch = (url, options) => fetch(url, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
  const found = await medplum.getCdsServices();
  const chosen = found.services.find((one) => one.id === service);
  const request = await buildCdsRequest(medplum, { resourceType: "Practitioner", id: "u" }, chosen, context);
  const response = await medplum.callCdsService(service, request);
  console.log(JSON.stringify({ services: found.services, request, response }));
}

main(JSON.parse(process.argv[2])).catch((error) => {
  console.error(error);
  process.exit(1);
});
