/** An impossible packet of a ZooKeeper server: its length is negative or far too large. */
export class MalformedPacket extends Error {
  override readonly name = "MalformedPacket";
}

const lengthBytes = 4;

/**
 * Splits one connection's bytes into whole packets, length prefix included. One per connection: what is left over from a broken connection
 * must not be prepended to the next one's bytes.
 */
export class PacketSplitter {
  readonly #packetMaxBytes: number;
  #chunks: Buffer[] = [];
  #heldBytes = 0;
  /** Size in bytes of the packet being gathered, prefix included; 0 while its prefix is incomplete. */
  #wantedBytes = 0;

  constructor(packetMaxBytes: number) {
    this.#packetMaxBytes = packetMaxBytes;
  }

  /** The packets completed by this chunk, in order. Throws MalformedPacket. */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    for (;;) {
      if (this.#wantedBytes === 0) {
        if (this.#heldBytes < lengthBytes) return;
        this.#wantedBytes = lengthBytes + this.#payloadLength();
      }
      if (this.#heldBytes < this.#wantedBytes) return;
      yield this.#take(this.#wantedBytes);
      this.#wantedBytes = 0;
    }
  }

  #payloadLength(): number {
    if ((this.#chunks[0]?.length ?? 0) < lengthBytes) this.#join();
    const length = this.#chunks[0]?.readInt32BE(0) ?? 0;
    if (length < 0 || length > this.#packetMaxBytes)
      throw new MalformedPacket(`a packet of ${length} bytes, at most ${this.#packetMaxBytes}`);
    return length;
  }

  #take(bytes: number): Buffer {
    if ((this.#chunks[0]?.length ?? 0) < bytes) this.#join();
    const [first = Buffer.alloc(0)] = this.#chunks;
    const packet = first.subarray(0, bytes);
    if (first.length === bytes) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(bytes);
    this.#heldBytes -= bytes;
    return packet;
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
