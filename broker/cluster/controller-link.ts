import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Address } from "../../protocol/base/transport.ts";
import type { PeerKind, PeerRequest } from "../../protocol/peer/messages.ts";
import { type PeerAnswer, type PeerCallOptions, type PeerRequester, PeerUnavailable } from "../runtime/peer-port.ts";
import type { ImageSource } from "./cluster-image.ts";

/** The link to whichever broker is the controller now. */
export interface ControllerRequester {
  /** Rejects with PeerUnavailable, also while no controller is known. A controller that was deposed meanwhile answers NOT_CONTROLLER. */
  request<K extends PeerKind>(kind: K, body: PeerRequest<K>, options: PeerCallOptions): Promise<PeerAnswer<K>>;
}

export interface ControllerLinkParts {
  readonly peers: PeerRequester;
  readonly images: ImageSource;
  /** Who holds `/controller`, as the election saw it last; null: nobody. */
  readonly holder: () => BrokerId | null;
}

/** Asks the holder of `/controller`; its address comes with the metadata, which that very controller sends. */
export class ControllerLink implements ControllerRequester {
  readonly #parts: ControllerLinkParts;

  constructor(parts: ControllerLinkParts) {
    this.#parts = parts;
  }

  /** Null: no controller, or one that has not sent this broker an update yet. */
  current(): { readonly id: BrokerId; readonly address: Address } | null {
    const { holder, images } = this.#parts;
    const id = holder();
    const address = id === null ? undefined : images.current.brokers.get(id)?.peer;
    return id === null || address === undefined ? null : { id, address };
  }

  async request<K extends PeerKind>(kind: K, body: PeerRequest<K>, options: PeerCallOptions): Promise<PeerAnswer<K>> {
    const controller = this.current();
    if (controller === null) throw new PeerUnavailable("no controller is known at present");
    return this.#parts.peers.request(controller.address, kind, body, options);
  }
}
