import type { Address } from "../../protocol/base/transport.ts";

/** How this process is asked over HTTP how it is, and what it tells of itself. */
export interface MonitoringHost {
  /**
   * Answers GET requests, nothing else. Connections, headers and the time for both directions are bounded. Rejects with a human-readable
   * message when the address cannot be used. `answer` never rejects but with a bug.
   */
  listen(address: Address, answer: (request: HttpGet) => Promise<HttpAnswer>): Promise<HttpListener>;
  figures(): Promise<ProcessFigures>;
}

export interface HttpGet {
  /** Without the query. */
  readonly path: string;
  /** The header of that name; empty: none. */
  readonly accept: string;
}

export interface HttpAnswer {
  readonly status: 200 | 404 | 503;
  readonly contentType: string;
  /** Must not change any more. */
  readonly body: Buffer;
}

export interface HttpListener {
  readonly address: Address;
  /** Open connections are closed with it. */
  close(): Promise<void>;
}

/** Of this process, since it started where nothing else is said. */
export interface ProcessFigures {
  readonly startedAtMs: number;
  readonly cpuUserSeconds: number;
  readonly cpuSystemSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  /** Null: not known on this system. */
  readonly openFiles: number | null;
  readonly openFilesMax: number | null;
  readonly gcSeconds: number;
  readonly gcPauses: number;
  /** The event loop ran code, or had work to look for. */
  readonly loopActiveSeconds: number;
  /** It waited for something to happen. */
  readonly loopIdleSeconds: number;
}
