/**
 * What happened in a run, as seen from outside. All moments are milliseconds since its start, by one clock. This file and the checks that
 * read it share nothing with the product: a mistake in it cannot hide itself.
 */
export type Event =
  | WriterEvent
  | WriteEvent
  | SentEvent
  | ReaderEvent
  | ReadEvent
  | ReadFailedEvent
  | CommitEvent
  | CommittedEvent
  | OwnershipEvent
  | HandedEvent
  | AdminEvent
  | LeaderEvent
  | FaultEvent
  | ProcessEndedEvent
  | SampleEvent
  | NotEndedEvent;

interface AtMoment {
  readonly at: number;
}

/** A writer begins. Its records are named by `recordId`, and sent in the order of their numbers, each partition's for itself. */
export interface WriterEvent extends AtMoment {
  readonly kind: "writer";
  readonly writer: string;
  readonly isIdempotent: boolean;
  readonly acks: "all" | 1;
}

/** A record's outcome. `unknown`: an error or no answer; it may be in the log or not. */
export interface WriteEvent extends AtMoment {
  readonly kind: "write";
  readonly writer: string;
  readonly topic: string;
  readonly partition: number;
  readonly seq: number;
  readonly sentAt: number;
  readonly outcome: "acknowledged" | "unknown";
  /** Null: the client does not say. */
  readonly offset: number | null;
  readonly error?: string;
}

/** At the end: a writer gave out so many numbers for the records of a partition, from 0 on. The outcome of each has to be told. */
export interface SentEvent extends AtMoment {
  readonly kind: "sent";
  readonly writer: string;
  readonly topic: string;
  readonly partition: number;
  readonly count: number;
}

/** A reader begins, or a group: it is to be handed every record that is written, as long as the run lasts, and what is left at the end. */
export interface ReaderEvent extends AtMoment {
  readonly kind: "reader";
  readonly reader: string;
  readonly isGroup: boolean;
}

/** A reader begins at offset 0 of each partition, and is handed every record in order. */
export interface ReadEvent extends AtMoment {
  readonly kind: "read";
  readonly reader: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The record's name, from its value. */
  readonly id: string;
  /** Of the whole value. */
  readonly hash: string;
}

/** A reader was told of an error that its client does not try again by itself. */
export interface ReadFailedEvent extends AtMoment {
  readonly kind: "read-failed";
  readonly reader: string;
  readonly error: string;
}

/** A member's commit and whether it was accepted. */
export interface CommitEvent extends AtMoment {
  readonly kind: "commit";
  readonly group: string;
  readonly member: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly sentAt: number;
  readonly isAccepted: boolean;
  /** The client may commit less than the group has: one that joined anew may hand over what it had fetched before. */
  readonly mayMoveBack?: boolean;
  readonly error?: string;
}

/** What the group's coordinator says is committed, asked for at `sentAt`; -1: nothing any more. */
export interface CommittedEvent extends AtMoment {
  readonly kind: "committed";
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly sentAt: number;
}

/** A member is told that it has a partition now, or gives it up. */
export interface OwnershipEvent extends AtMoment {
  readonly kind: "owns" | "gives-up";
  readonly group: string;
  readonly member: string;
  readonly topic: string;
  readonly partition: number;
}

/** A member was handed the records from `from` to before `to`. */
export interface HandedEvent extends AtMoment {
  readonly kind: "handed";
  readonly group: string;
  readonly member: string;
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** `incarnation`: how often the topic has been created. `refused`: nothing was changed. */
export interface AdminEvent extends AtMoment {
  readonly kind: "admin";
  readonly operation: "create" | "delete" | "add-partitions" | "alter";
  readonly topic: string;
  readonly incarnation: number;
  /** Of the topic, afterwards. */
  readonly partitions: number;
  readonly sentAt: number;
  readonly outcome: "done" | "refused" | "unknown";
  readonly error?: string;
}

export interface LeaderEvent extends AtMoment {
  readonly kind: "leader";
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  readonly epoch: number;
}

/** `served`: every partition of the main topic has acknowledged a record that was sent after the fault's end. `whole`: all are in sync. */
export interface FaultEvent extends AtMoment {
  readonly kind: "fault";
  readonly round: number;
  readonly name: string;
  readonly moment: "begins" | "ends" | "served" | "whole" | "not served" | "not whole";
  readonly targets: readonly string[];
  /** From the end: full service has to be back in this time. */
  readonly boundMs: number;
  /** Told as it begins, where the others can go on: so long may any partition be without acknowledgement until it is served again. */
  readonly silenceMaxMs?: number;
}

/** A broker's process ended: by itself, or as it was told to. */
export interface ProcessEndedEvent extends AtMoment {
  readonly kind: "ended";
  readonly process: string;
  /** What was asked of it last. */
  readonly demand: "go on" | "stop" | "be killed";
  readonly code: number | null;
  readonly signal: string | null;
  /** It was told to stop, did not do so in time, and was killed. */
  readonly wasForced: boolean;
  /** The fault under way may cause it. */
  readonly isAllowed: boolean;
}

/** Of one broker, over the last second. */
export interface SampleEvent extends AtMoment {
  readonly kind: "sample";
  readonly process: string;
  readonly residentBytes: number;
  readonly logLines: number;
  /** Lines in which it says that replicas disagree, or that a rule of its own is broken. */
  readonly alarms: number;
}

/** A client, or a last reading, that should have come to its end in time and did not. */
export interface NotEndedEvent extends AtMoment {
  readonly kind: "not-ended";
  readonly client: string;
  readonly why: string;
}

/** Where a value begins, up to a blank. */
export function recordId(writer: string, partition: number, seq: number): string {
  return `${writer}/${partition}/${seq}`;
}

export function writerOf(id: string): string {
  return id.slice(0, id.indexOf("/"));
}
