import { encodeJson, JsonNode } from "./json.ts";

/** `/ottla/peer_secret`: 256 random bits in base64. */
export function encodePeerSecret(secret: string): Buffer {
  return encodeJson({ version: 1, secret });
}

/** Throws MalformedZnode. */
export function decodePeerSecret(path: string, data: Buffer): string {
  const json = JsonNode.parse(path, data);
  const secret = json.text("secret");
  if (secret.length < 32 || secret.length > 1024) throw json.malformed(`its secret has ${secret.length} characters, not 32 to 1024`);
  return secret;
}
