import { Producer, stringSerde } from "../../../client/index.ts";
import { AcknowledgedTimes, type Probe, type ProbeOptions } from "./probe.ts";

/** Of one partition; further records are left out until some were acknowledged. They would be resent in the same batch anyway. */
const underWayMax = 100;

/**
 * Our client with its defaults: a small record for each partition every few milliseconds. With a delivery timeout of two minutes none
 * should fail.
 */
export class OwnProbe implements Probe {
  readonly acknowledged: AcknowledgedTimes;
  readonly failures: string[] = [];
  readonly #topic: string;
  readonly #producer: Producer<string, string>;
  readonly #underWay = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;

  constructor({ bootstrap, topic, partitions, everyMs }: ProbeOptions) {
    this.#topic = topic;
    this.acknowledged = new AcknowledgedTimes(partitions);
    this.#producer = new Producer({ bootstrap, keySerde: stringSerde, valueSerde: stringSerde });
    this.#timer = setInterval(() => {
      for (const partition of partitions) this.#send(partition);
    }, everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#producer.close();
  }

  #send(partition: number): void {
    const underWay = this.#underWay.get(partition) ?? 0;
    if (underWay >= underWayMax) return;
    this.#underWay.set(partition, underWay + 1);
    void this.#producer
      .send({ topic: this.#topic, partition, value: "probe" })
      .then(
        () => this.acknowledged.note(partition),
        (error: Error) => void this.failures.push(`partition ${partition}: ${error.message}`),
      )
      .finally(() => this.#underWay.set(partition, (this.#underWay.get(partition) ?? 1) - 1));
  }
}
