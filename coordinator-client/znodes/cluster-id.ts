import { encodeJson, JsonNode } from "./json.ts";

/** `/cluster/id` holds the cluster's name: 128 random bits in URL-safe base64. */
export function encodeClusterId(id: string): Buffer {
  return encodeJson({ version: "1", id });
}

/** Throws MalformedZnode. */
export function decodeClusterId(path: string, data: Buffer): string {
  const json = JsonNode.parse(path, data);
  const id = json.text("id");
  if (id === "" || id.length > 255) throw json.malformed(`its id has ${id.length} characters`);
  return id;
}
