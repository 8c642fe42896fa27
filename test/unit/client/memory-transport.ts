import type { Clock } from "../../../protocol/base/clock.ts";
import {
  type Address,
  formatAddress,
  type Link,
  type LinkHandlers,
  type Listener,
  type Transport,
} from "../../../protocol/base/transport.ts";
import { lend } from "../../support/lend.ts";

interface End {
  handlers: LinkHandlers | null;
  isOpen: boolean;
}

/** Links within the process. Bytes arrive in a later turn of the loop, in order. */
export class MemoryTransport implements Transport {
  readonly #clock: Clock;
  readonly #listeners = new Map<string, (link: Link) => LinkHandlers>();
  /** Addresses where connecting gets no answer at all. */
  readonly silent = new Set<string>();
  connects = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  connect(address: Address, handlers: LinkHandlers, { timeoutMs }: { readonly timeoutMs: number }): Promise<Link> {
    this.connects++;
    const key = formatAddress(address);
    return new Promise((resolve, reject) => {
      if (this.silent.has(key)) {
        this.#clock.schedule(timeoutMs, () => reject(new Error(`cannot connect to ${key}: no answer within ${timeoutMs} ms`)));
        return;
      }
      queueMicrotask(() => {
        const accept = this.#listeners.get(key);
        if (accept === undefined) return reject(new Error(`cannot connect to ${key}: refused`));
        const client: End = { handlers, isOpen: true };
        const server: End = { handlers: null, isOpen: true };
        server.handlers = accept(linkFrom(server, client, "client"));
        resolve(linkFrom(client, server, key));
      });
    });
  }

  async listen(address: Address, accept: (link: Link) => LinkHandlers): Promise<Listener> {
    const key = formatAddress(address);
    this.#listeners.set(key, accept);
    return {
      address,
      close: async () => {
        this.#listeners.delete(key);
      },
    };
  }
}

function linkFrom(own: End, other: End, remote: string): Link {
  const close = (error?: Error) => {
    for (const end of [own, other]) {
      if (!end.isOpen) continue;
      end.isOpen = false;
      queueMicrotask(() => end.handlers?.onClose(end === own ? error : undefined));
    }
  };
  return {
    remote,
    queuedBytes: 0,
    write(chunks) {
      const bytes = Buffer.concat(chunks);
      queueMicrotask(() => {
        if (other.isOpen && other.handlers !== null) lend(bytes, other.handlers);
      });
      return true;
    },
    pause: () => {},
    resume: () => {},
    end: () => queueMicrotask(() => close()),
    destroy: close,
  };
}
