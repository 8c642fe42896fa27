import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { hasCommand } from "../outside/run-command.ts";

export const noOpenssl = hasCommand("openssl") ? "" : " (skipped: openssl, which makes a certificate, is not installed here)";

/** Answers for nodes as the API server of Kubernetes does, with TLS, to whoever has the token. */
export class ApiServer implements AsyncDisposable {
  readonly url: string;
  readonly certificateFile: string;
  readonly #server: Server;

  private constructor(server: Server, certificateFile: string) {
    this.#server = server;
    this.certificateFile = certificateFile;
    this.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** `labels`: of nodes, by their name. */
  static async start(
    folder: string,
    token: string,
    labels: Readonly<Record<string, Readonly<Record<string, string>>>>,
  ): Promise<ApiServer> {
    const [key, cert] = [join(folder, "api.key"), join(folder, "ca.crt")];
    const certificate = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    const names = ["-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert];
    const made = spawnSync("openssl", [...certificate, ...names], { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
    const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, ({ url = "", headers }, response) => {
      const [, name = ""] = /^\/api\/v1\/nodes\/([^/?]+)$/.exec(url) ?? [];
      const found = labels[decodeURIComponent(name)];
      const status = headers.authorization !== `Bearer ${token}` ? 401 : found === undefined ? 404 : 200;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(
        JSON.stringify(status === 200 ? { kind: "PartialObjectMetadata", metadata: { name, labels: found } } : { code: status }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ApiServer(server, cert);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
