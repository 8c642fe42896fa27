// node zone-as-rack.mjs SETTINGS OUT: writes SETTINGS to OUT, and the zone of this pod's node as broker.rack.
//
// A pod cannot read its node's labels (the downward API has those of the pod alone), so this asks the API server; zone-access.yaml allows
// it. Whatever goes wrong ends it with an error, and it is started again: a broker that stands in no rack, or in a wrong one, would get
// copies that belong elsewhere.
import { readFileSync, writeFileSync } from "node:fs";

const answerMaxMs = 10_000;
const zoneLabel = "topology.kubernetes.io/zone";
const [settingsFile, outFile] = process.argv.slice(2);
// NODE_EXTRA_CA_CERTS has the certificate of the API server
const { NODE_NAME, KUBERNETES_API, API_TOKEN_FILE } = process.env;

const answer = await fetch(`${KUBERNETES_API}/api/v1/nodes/${encodeURIComponent(NODE_NAME)}`, {
  headers: {
    authorization: `Bearer ${readFileSync(API_TOKEN_FILE, "utf8").trim()}`,
    // the labels, and not also the names of all images on the node
    accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
  },
  signal: AbortSignal.timeout(answerMaxMs),
});
if (!answer.ok) throw new Error(`the API server refuses node ${NODE_NAME}: ${answer.status} ${await answer.text()}`);
const zone = (await answer.json()).metadata.labels?.[zoneLabel] ?? "";
if (!/^[\w.-]*$/.test(zone)) throw new Error(`the zone of node ${NODE_NAME} is no label value: ${JSON.stringify(zone)}`);
writeFileSync(outFile, `${readFileSync(settingsFile, "utf8")}\n${zone === "" ? "" : `broker.rack=${zone}\n`}`);
console.log(zone === "" ? `node ${NODE_NAME} has no label ${zoneLabel}: the broker has no rack` : `node ${NODE_NAME} is in zone ${zone}`);
