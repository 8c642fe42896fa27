import { setTimeout as sleep } from "node:timers/promises";
import { parseBootstrap } from "../../../client/base/client-options.ts";
import { apis } from "../../../protocol/messages/apis.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { RawConnection } from "../../support/raw-request.ts";
import { AcknowledgedTimes, type Probe, type ProbeOptions } from "./probe.ts";

const version = 9;
const timeoutMs = 30_000;
const connectMaxMs = 1_000;
/** From a broker that does not lead the partition, or cannot be reached. */
const refusedPauseMs = 10;

/**
 * No client: a connection to every broker for every partition, on each one request at a time, whoever leads. So what is measured is when
 * the brokers serve again, and not when a client finds out.
 */
export class RawProbe implements Probe {
  readonly acknowledged: AcknowledgedTimes;
  readonly failures: readonly string[] = [];
  readonly #options: ProbeOptions;
  readonly #loops: Promise<void>[] = [];
  readonly #open = new Set<RawConnection>();
  #isStopped = false;

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.acknowledged = new AcknowledgedTimes(options.partitions);
    for (const { host, port } of parseBootstrap(options.bootstrap))
      for (const partition of options.partitions) this.#loops.push(this.#ask(host, port, partition));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const connection of this.#open) connection.close();
    await Promise.all(this.#loops);
  }

  async #ask(host: string, port: number, partition: number): Promise<void> {
    while (!this.#isStopped) {
      try {
        const connection = await openWithin(host, port, connectMaxMs);
        this.#open.add(connection);
        try {
          while (!this.#isStopped) await this.#once(connection, partition);
        } finally {
          this.#open.delete(connection);
          connection.close();
        }
      } catch {
        await sleep(refusedPauseMs);
      }
    }
  }

  async #once(connection: RawConnection, partition: number): Promise<void> {
    const { topic, everyMs } = this.#options;
    const batch = encodeBatch([{ key: null, value: Buffer.from("probe"), headers: [], timestampMs: Date.now() }]);
    const request = {
      transactionalId: null,
      acks: -1 as const,
      timeoutMs,
      topicData: [{ name: topic, partitionData: [{ index: partition, records: [batch] }] }],
    };
    const answer = await connection.request(apis.produce, version, request);
    const isAcknowledged = answer.responses[0]?.partitionResponses[0]?.errorCode === "NONE";
    if (isAcknowledged) this.acknowledged.note(partition);
    await sleep(isAcknowledged ? everyMs : refusedPauseMs);
  }
}

/** Rejects when it takes too long; what is opened nevertheless is closed. */
async function openWithin(host: string, port: number, withinMs: number): Promise<RawConnection> {
  const opening = RawConnection.open(port, host);
  const late = sleep(withinMs, null, { ref: false });
  const connection = await Promise.race([opening, late]);
  if (connection !== null) return connection;
  void opening.then(
    (unwanted) => unwanted.close(),
    () => {},
  );
  throw new Error("no connection");
}
