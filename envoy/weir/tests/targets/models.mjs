// Reads objects of Kubernetes as one list, and says what their projects' validators have against each.
import { readFileSync } from "node:fs";

const packages = [
  [/\.istio\.io\//, "@kubernetes-models/istio"],
  [/^gateway\.networking\.k8s\.io\//, "@kubernetes-models/gateway-api"],
];

async function mistakes({ apiVersion, kind, metadata, spec }) {
  const found = packages.find(([group]) => group.test(apiVersion));
  if (!found) return null;
  const { [kind]: Model } = await import(`${found[1]}/${apiVersion}/${kind}`);
  try {
    new Model({ metadata, spec }).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

const objects = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(objects.map(mistakes))));
