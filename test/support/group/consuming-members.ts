import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Consumer, type ConsumerOptions, type GroupOptions, stringSerde } from "../../../client/index.ts";

export const sessionTimeoutMs = 6_000;

/** Where a member takes part, and what is to be done with it at the end of the test. */
export interface Place {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly group: string;
  readonly closers: (() => Promise<void> | void)[];
}

export interface Got {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

export interface AnyMember {
  readonly got: Got[];
}

/** A member of a group in this process. */
export class Member implements AnyMember {
  readonly got: Got[] = [];
  readonly events: string[] = [];
  readonly consumer: Consumer<Buffer, string>;
  readonly done: Promise<void>;
  handle: (record: Got) => Promise<void> = async () => {};
  error: unknown = null;

  constructor(place: Place, options: Partial<ConsumerOptions<Buffer, string>> & GroupOptions = {}) {
    const note = (what: string) => (partitions: readonly { partition: number }[]) => {
      this.events.push(
        `${what}${partitions
          .map(({ partition }) => partition)
          .toSorted()
          .join(",")}`,
      );
    };
    this.consumer = new Consumer<Buffer, string>({
      bootstrap: place.bootstrap,
      group: place.group,
      offsetReset: "earliest",
      valueSerde: stringSerde,
      sessionTimeoutMs,
      heartbeatIntervalMs: 500,
      onAssigned: note("+"),
      onRevoked: note("-"),
      onLost: note("!"),
      ...options,
    });
    place.closers.push(() => this.consumer.close());
    this.done = this.#run(place.topic).catch((error: unknown) => {
      this.error = error;
    });
  }

  async #run(topic: string): Promise<void> {
    await this.consumer.subscribe([topic]);
    for await (const { partition, offset, value } of this.consumer) {
      const record = { partition, offset, value: value ?? "" };
      this.got.push(record);
      await this.handle(record);
    }
  }

  get owned(): number[] {
    return this.consumer.assignment().map(({ partition }) => partition);
  }
}

const mainFile = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));

/** A member that is a process of its own, and can be killed. */
export class MemberCommand implements AnyMember {
  readonly got: Got[] = [];
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;

  constructor({ closers }: Place, command: string, args: readonly string[], parse: (line: string) => Got) {
    this.#child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.exited = new Promise((resolve) => this.#child.once("exit", resolve));
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      this.got.push(parse(line));
    });
    closers.push(async () => {
      this.#child.kill("SIGKILL");
      await this.exited;
    });
  }

  static ottla(place: Place, ...more: readonly string[]): MemberCommand {
    const args = [
      "consume",
      place.topic,
      "--group",
      place.group,
      "--from",
      "beginning",
      "--json",
      "--session-timeout",
      String(sessionTimeoutMs),
    ];
    return new MemberCommand(place, process.execPath, [mainFile, ...args, "--bootstrap", place.bootstrap.join(","), ...more], (line) =>
      JSON.parse(line),
    );
  }

  static kcat(place: Place, ...more: readonly string[]): MemberCommand {
    const settings = [
      `session.timeout.ms=${sessionTimeoutMs}`,
      "auto.offset.reset=earliest",
      "auto.commit.interval.ms=500",
      "heartbeat.interval.ms=500",
    ];
    const args = [
      "-F",
      "/dev/null",
      "-b",
      place.bootstrap.join(","),
      "-u",
      "-q",
      "-f",
      "%p %o %s\\n",
      ...settings.flatMap((s) => ["-X", s]),
      ...more,
    ];
    return new MemberCommand(place, "kcat", [...args, "-G", place.group, place.topic], (line) => {
      const [partition, offset, value = ""] = line.split(" ");
      return { partition: Number(partition), offset: Number(offset), value };
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

export const valuesOf = (...members: readonly AnyMember[]) => members.flatMap(({ got }) => got.map(({ value }) => Number(value)));
export const numbers = (to: number) => Array.from({ length: to }, (_, i) => i);
export const sorted = (values: readonly number[]) => values.toSorted((a, b) => a - b);
