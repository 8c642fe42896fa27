import { setTimeout as sleep } from "node:timers/promises";
import { hasCommand } from "../../support/outside/run-command.ts";
import { KafkajsMember } from "../clients/kafkajs-member.ts";
import { KafkajsWriter } from "../clients/kafkajs-writer.ts";
import { KcatWriter } from "../clients/kcat-writer.ts";
import { type Member, OwnMember } from "../clients/own-member.ts";
import { OwnWriter } from "../clients/own-writer.ts";
import { Reader, readAll } from "../clients/reader.ts";
import { SideAdmin } from "../clients/side-admin.ts";
import type { Writer } from "../clients/writer.ts";
import type { History } from "../history/history.ts";
import { CommitWatch } from "../watch/commit-watch.ts";

export interface CrowdPlace {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly partitions: number;
  readonly history: History;
  readonly seed: number;
}

/** The one that writes most often: see `ServiceWatch`. */
export const steadyWriter = "own-idempotent";
const steadyEveryMs = 25;
const groups = { classic: "own-classic", consumer: "own-consumer", kafkajs: "kafkajs-classic" } as const;
const lastReadsMaxMs = 60_000;
/** Longer than records are tried for. */
const stopMaxMs = 150_000;

/** All clients of a run: writers, readers, members of groups, and somebody who changes topics. */
export class Crowd {
  readonly #place: CrowdPlace;
  readonly #writers: readonly Writer[];
  readonly #members: readonly Member[];
  readonly #reader: Reader;
  readonly #admin: SideAdmin;
  readonly #commits: CommitWatch;
  /** Kinds of clients that are not there. */
  readonly missing: readonly string[];

  constructor(place: CrowdPlace) {
    this.#place = place;
    const { bootstrap, topic, history, seed } = place;
    const hasKcat = hasCommand("kcat");
    this.missing = hasKcat ? [] : ["clients by kcat: it is not installed (Debian's package kcat)"];
    this.#writers = [
      new OwnWriter({ name: steadyWriter, acks: "all", isIdempotent: true, everyMs: steadyEveryMs }, place),
      new OwnWriter({ name: "own-plain", acks: "all", isIdempotent: false, compression: "gzip", everyMs: 200 }, place),
      new OwnWriter({ name: "own-one", acks: 1, isIdempotent: false, everyMs: 100 }, place),
      new KafkajsWriter({ name: "kafkajs-idempotent", acks: "all", isIdempotent: true, everyMs: 60 }, place),
      new KafkajsWriter({ name: "kafkajs-plain", acks: "all", isIdempotent: false, everyMs: 150 }, place),
      ...(hasKcat
        ? [
            new KcatWriter({ name: "kcat-idempotent", acks: "all", isIdempotent: true, everyMs: 2_000 }, place),
            new KcatWriter({ name: "kcat-one", acks: 1, isIdempotent: false, everyMs: 3_000 }, place),
          ]
        : []),
    ];
    const member = (group: keyof typeof groups) => ({ bootstrap, topic, history, group: groups[group] });
    this.#members = [
      ...["a", "b"].map((letter) => new OwnMember(`own-classic-${letter}`, "classic", member("classic"))),
      ...["a", "b"].map((letter) => new OwnMember(`own-consumer-${letter}`, "consumer", member("consumer"))),
      ...["a", "b"].map((letter) => new KafkajsMember(`kafkajs-${letter}`, member("kafkajs"))),
    ];
    this.#reader = new Reader("live", place);
    this.#admin = new SideAdmin({ bootstrap, history, seed });
    this.#commits = new CommitWatch(bootstrap, Object.values(groups), history);
  }

  async start(): Promise<void> {
    for (const writer of this.#writers) writer.start();
    await this.#reader.start();
    for (const member of this.#members) member.start();
    this.#admin.start();
    this.#commits.start();
  }

  /** The writers first, then those that read to the end. What is in the log then is read once more, from the beginning. */
  async stop(): Promise<void> {
    await this.#inTime(Promise.all([...this.#writers.map((writer) => writer.stop()), this.#admin.stop()]));
    await this.#inTime(readAll("last", this.#place).catch(() => {}));
    await this.#readerAtEnd();
    await this.#inTime(Promise.all(this.#members.map((member) => member.stop())));
    await this.#commits.stop();
    await this.#reader.stop();
  }

  /** Where service does not return, clients need not come to an end. What they do not tell is missed by a check. */
  #inTime(end: Promise<unknown>): Promise<unknown> {
    return Promise.race([end, sleep(stopMaxMs, null, { ref: false })]);
  }

  async #readerAtEnd(): Promise<void> {
    const ends = new Map<number, number>();
    for (const event of this.#place.history.events)
      if (event.kind === "read" && event.reader === "last") ends.set(event.partition, event.offset + 1);
    const deadlineMs = performance.now() + lastReadsMaxMs;
    const isBehind = () => [...ends].some(([partition, end]) => (this.#reader.positions.get(partition) ?? 0) < end);
    while (isBehind() && performance.now() < deadlineMs) await sleep(100);
  }
}
