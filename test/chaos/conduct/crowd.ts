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
import { Progress } from "../watch/progress.ts";

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
const liveReader = "live";
const lastReader = "last";
/** Followers have everything by then, and know that the others have it: what a leader alone has is not shown to anybody. */
const replicatedMs = 2_000;
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
  readonly #progress: Progress;
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
    this.#reader = new Reader(liveReader, place);
    this.#admin = new SideAdmin({ bootstrap, history, seed });
    this.#commits = new CommitWatch(bootstrap, Object.values(groups), history);
    this.#progress = new Progress(history);
  }

  async start(): Promise<void> {
    const { history } = this.#place;
    history.add({ kind: "reader", reader: liveReader, isGroup: false });
    for (const reader of Object.values(groups)) history.add({ kind: "reader", reader, isGroup: true });
    for (const writer of this.#writers) writer.start();
    await this.#reader.start();
    for (const member of this.#members) member.start();
    this.#admin.start();
    this.#commits.start();
  }

  /** The writers first, then those that read to the end. What is in the log then is read once more, from the beginning. */
  async stop(): Promise<void> {
    const { history } = this.#place;
    await Promise.all([
      ...this.#writers.map((writer) => this.#inTime(writer.name, writer.stop())),
      this.#inTime("side-admin", this.#admin.stop()),
    ]);
    await sleep(replicatedMs);
    history.add({ kind: "reader", reader: lastReader, isGroup: false });
    await this.#inTime("the last reading", readAll(lastReader, this.#place));
    await this.#othersAtEnd();
    await Promise.all(this.#members.map((member) => this.#inTime(member.name, member.stop())));
    await Promise.all([this.#inTime("commit-watch", this.#commits.stop()), this.#inTime(liveReader, this.#reader.stop())]);
    for (const writer of this.#writers) writer.tellSent();
  }

  /** Who does not come to an end, or not to a good one, is told of: where service returned, that is a finding. */
  async #inTime(client: string, end: Promise<unknown>): Promise<void> {
    const tooLate = sleep(stopMaxMs, `did not end within ${stopMaxMs} ms`, { ref: false });
    const failed = (error: unknown) => String(error instanceof Error ? error.message : error);
    const why = await Promise.race([end.then(() => null, failed), tooLate]);
    if (why !== null) this.#place.history.add({ kind: "not-ended", client, why });
  }

  /** As far as the last reading got; or the time is over, and a check says so. */
  async #othersAtEnd(): Promise<void> {
    const ends = this.#progress.of(lastReader);
    const deadlineMs = performance.now() + lastReadsMaxMs;
    const isBehind = () => [liveReader, ...Object.values(groups)].some((name) => !this.#progress.hasReached(name, ends));
    while (isBehind() && performance.now() < deadlineMs) await sleep(100);
  }
}
