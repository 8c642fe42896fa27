import { get } from "node:http";
import type { Clock } from "../../protocol/base/clock.ts";
import type { Address } from "../../protocol/base/transport.ts";

export interface Scraped {
  readonly text: string;
  /** The wall clock of whoever answered, cut to whole seconds; null: not told. */
  readonly dateMs: number | null;
  /** Our wall clock before and after. */
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

export interface ScrapeLimits {
  readonly clock: Pick<Clock, "nowMs">;
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

/** What is at `/metrics`. Rejects with a sentence without its beginning, such as "refuses connections". */
export function scrape(address: Address, { clock, timeoutMs, bytesMax }: ScrapeLimits, stop: AbortSignal): Promise<Scraped> {
  const askedAtMs = clock.nowMs();
  const late = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    // what stands between one scrape and the next would keep the process alive
    const options = { host: address.host, port: address.port, path: "/metrics", agent: false, signal: AbortSignal.any([stop, late]) };
    const request = get(options, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on("data", (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > bytesMax) request.destroy(new Error(`answers with more than ${bytesMax} bytes`));
        else pieces.push(piece);
      });
      response.on("error", fail);
      response.on("end", () => {
        if (response.statusCode !== 200) return reject(new Error(`answers with status ${response.statusCode}`));
        const dateMs = Date.parse(response.headers.date ?? "");
        const text = Buffer.concat(pieces).toString();
        resolve({ text, dateMs: Number.isNaN(dateMs) ? null : dateMs, askedAtMs, answeredAtMs: clock.nowMs() });
      });
    });
    const fail = (error: NodeJS.ErrnoException) => reject(new Error(stop.aborted || !late.aborted ? reasonOf(error) : "does not answer"));
    request.on("error", fail);
  });
}

const reasons: Readonly<Record<string, string>> = { ECONNREFUSED: "refuses connections", ENOTFOUND: "does not resolve" };

function reasonOf({ code = "", message }: NodeJS.ErrnoException): string {
  return reasons[code] ?? `cannot be read (${message})`;
}
