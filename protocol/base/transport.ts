/** Byte streams between processes, injected: TCP in production, the simulator's network in tests. */
export interface Transport {
  /**
   * Opens a link. Resolves once connected; rejects with an Error that names the address when unreachable, or after `timeoutMs`, and with
   * ConnectionRefused when nobody listens there.
   * The handlers are used from the moment it resolves; nothing is delivered before.
   */
  connect(address: Address, handlers: LinkHandlers, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<Link>;
  /** Port 0 picks a free one. `accept` returns the handlers of the new link. Rejects when the address is in use. */
  listen(address: Address, accept: (link: Link) => LinkHandlers): Promise<Listener>;
}

/** The machine answered that nobody listens there, or its name is gone: unlike silence, this says something about the process that did. */
export class ConnectionRefused extends Error {
  override readonly name = "ConnectionRefused";
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Link {
  /** `host:port` of the other end, for log lines. */
  readonly remote: string;
  /**
   * Queues the chunks in order, as one write where possible; they must not change until sent. `onDone`: called once, when the link reads
   * them no more, so that their memory may be used again: the operating system has all of them, or the link is gone. False: more than the
   * link's high-water mark is queued, wait for `onDrain`. After the end: ignored.
   */
  write(chunks: readonly Uint8Array[], onDone?: () => void): boolean;
  /** Bytes written and not yet accepted by the operating system. */
  readonly queuedBytes: number;
  /** Stops and resumes `onData`. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once; what is queued is dropped. `onClose` follows. */
  destroy(reason?: Error): void;
}

export interface LinkHandlers {
  /** The bytes are the receiver's only until this returns: whatever it keeps of them, it copies. */
  onData(chunk: Buffer): void;
  onDrain?(): void;
  /** Once, last: the link is gone. `error` when it broke and did not end normally. */
  onClose(error?: Error): void;
}

export interface Listener {
  readonly address: Address;
  /** Stops accepting; open links stay. */
  close(): Promise<void>;
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
