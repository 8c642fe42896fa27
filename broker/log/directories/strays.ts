import type { Clock } from "../../../protocol/base/clock.ts";
import { partitionKey, type TopicId, zeroTopicId } from "../../../protocol/base/ids.ts";
import type { Random } from "../../../protocol/base/random.ts";
import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { readIfThere } from "../files/checkpoint-file.ts";
import { decodeCleanStop, encodeCleanStop, type SegmentSizes } from "../files/clean-stop.ts";
import { deletedDirectoryName, fileNames, parsePartitionDirectory, parseStrayDirectory, strayDirectoryName } from "../files/file-names.ts";
import { isTopicId, readStrayNote, readTopicId, type StrayNote, writeStrayNote } from "../files/folder-notes.ts";
import { recoverLog } from "../opening/recovery.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import { takeOverJoins } from "../segment/segment-joins.ts";
import type { CheckpointedOffsets } from "./directory-checkpoints.ts";

/**
 * A log that no assignment names any more, though its deletion is not on record and the removal of its replica was not seen: its folder was
 * renamed (`topic-0.<unique>-stray`, as Kafka does), so that its name is free and nothing serves, cleans or counts it. It stays until its
 * topic's id comes back, its deletion is recorded, an operator removes it, or `ottla.log.stray.retention.ms` is over.
 */
export interface Stray {
  /** Its folder's name. */
  readonly name: string;
  /** Null: its topic is not known, and only an operator can restore it. */
  readonly key: string | null;
  readonly topicId: TopicId | null;
  /** Null: Kafka set it aside, or the note is damaged. */
  readonly note: StrayNote | null;
}

export async function findStrays(files: FileSystem, root: string, names: readonly string[]): Promise<Stray[]> {
  const strays: Stray[] = [];
  for (const name of names) {
    const named = parseStrayDirectory(name);
    if (named === null) continue;
    const folder = `${root}/${name}`;
    const note = await readStrayNote(files, folder);
    const key = note !== null ? partitionKey(note.topic, note.partition) : parsePartitionDirectory(named) === null ? null : named;
    strays.push({ name, key, topicId: note?.topicId ?? (await readTopicId(files, folder)), note });
  }
  return strays;
}

/**
 * The stray to be restored as this partition's log: the one that knows most of what is committed. There are several when it was set aside
 * in several directories, or more than once.
 */
export function bestStray(strays: readonly Stray[], key: string, topicId: TopicId): Stray | null {
  const fitting = strays.filter((stray) => stray.key === key && stray.topicId !== null && isTopicId(stray.topicId, topicId));
  return fitting.reduce<Stray | null>((best, each) => (best === null || isBetter(each, best) ? each : best), null);
}

export function isBetter({ note: a }: Stray, { note: b }: Stray): boolean {
  const [high, other] = [a?.highWatermark ?? -1, b?.highWatermark ?? -1];
  return high > other || (high === other && (a?.setAsideMs ?? -1) > (b?.setAsideMs ?? -1));
}

/** Set aside longer ago than that. What Kafka set aside does not say when, and stays. */
export function isExpired({ note }: Stray, { nowMs, retentionMs }: { readonly nowMs: number; readonly retentionMs: number }): boolean {
  return retentionMs >= 0 && note !== null && nowMs - note.setAsideMs > retentionMs;
}

/** The directory's store, as far as its strays need it. */
export interface StraysHome {
  readonly directory: string;
  rename(from: string, to: string): Promise<void>;
  removeInBackground(folders: readonly string[]): void;
}

export interface StraysParts {
  readonly io: SegmentIo;
  readonly clock: Clock;
  readonly random: Random;
}

interface PreparedStray {
  readonly offsets: CheckpointedOffsets;
  /** As it was closed; null: not known, and it was recovered. */
  readonly closed: readonly SegmentSizes[] | null;
}

export interface TakenUp extends Pick<PreparedStray, "closed"> {
  readonly stray: Stray;
}

/** The logs of one directory that were set aside. Failures are handled by the caller, which owns the directory. */
export class Strays {
  readonly #home: StraysHome;
  readonly #parts: StraysParts;
  #all: readonly Stray[];

  constructor(found: readonly Stray[], home: StraysHome, parts: StraysParts) {
    this.#all = found;
    this.#home = home;
    this.#parts = parts;
  }

  get all(): readonly Stray[] {
    return this.#all;
  }

  best(key: string, topicId: TopicId): Stray | null {
    return bestStray(this.#all, key, topicId);
  }

  /**
   * The log is closed; `closed` as it was then, null where that is not known. The notes are on the disk before the folder has its new
   * name; in a folder that was not renamed they say nothing.
   */
  async add(
    key: string,
    known: Omit<StrayNote, "topicId" | "setAsideMs"> & { readonly topicId: TopicId | null },
    closed: readonly SegmentSizes[] | null,
  ): Promise<void> {
    const { directory: root } = this.#home;
    const { io, clock } = this.#parts;
    const { files, logger } = io;
    const folder = `${root}/${key}`;
    if (!(await files.exists(folder))) return;
    const topicId = (await readTopicId(files, folder)) ?? known.topicId ?? zeroTopicId;
    const note = { ...known, topicId, setAsideMs: clock.nowMs() };
    if (closed === null) await files.remove(`${folder}/${fileNames.cleanStop}`);
    else await replaceFile(files, `${folder}/${fileNames.cleanStop}`, encodeCleanStop(new Map([[key, closed]])));
    await writeStrayNote(files, folder, note);
    const name = strayDirectoryName(key, this.#uniqueHex());
    await this.#home.rename(folder, `${root}/${name}`);
    this.#all = [...this.#all, { name, key, topicId, note }];
    logger.warn(
      { partition: key, topicId, folder: `${root}/${name}` },
      "the cluster does not assign this log to this broker any more; no deletion of its topic is on record, and the removal of its replica was not seen: it is set aside, and taken up again when it is assigned again. See `ottla log strays`",
    );
  }

  /**
   * The best one becomes its partition's log. Nothing else has that name here. `checkpoint` makes its offsets durable before the folder
   * gets its name: otherwise a crash would bring deleted records back, and take the gaps of compaction for damage. `forgetNotes` follows.
   * Null: there is none.
   *
   * Race: (1) a stray is checked from its start, which takes a while; (2) its time is over, and its folder is renamed to be removed; (3)
   * the folder is missing where the check is running, as if the directory had failed. So it is reserved before the first wait.
   */
  async takeUp(key: string, topicId: TopicId, checkpoint: (offsets: CheckpointedOffsets) => Promise<void>): Promise<TakenUp | null> {
    const stray = this.best(key, topicId);
    if (stray === null) return null;
    this.#leaveOut(stray);
    try {
      const { offsets, closed } = await this.#prepare(stray, key);
      await checkpoint(offsets);
      await this.#restore(stray, key);
      return { stray, closed };
    } catch (error) {
      this.#all = [...this.#all, stray];
      throw error;
    }
  }

  async #prepare({ name, note }: Stray, key: string): Promise<PreparedStray> {
    const { directory: root } = this.#home;
    const { io } = this.#parts;
    const folder = `${root}/${name}`;
    const { recoveryPoint, startOffset, cleanedEndOffset } = note ?? { recoveryPoint: 0, startOffset: 0, cleanedEndOffset: 0 };
    if (note === null) await takeOverJoins(io, root, [{ folder, startOffset }]);
    const content = note === null ? null : await readIfThere(io.files, `${folder}/${fileNames.cleanStop}`);
    const closed = (content === null ? null : decodeCleanStop(content))?.get(key) ?? null;
    // not closed by us, or not known: a power failure may have taken its end since
    const recovered = closed !== null ? recoveryPoint : await recoverLog(io, folder, { recoveryPoint, stableEndOffset: recoveryPoint });
    return { offsets: { recoveryPoint: recovered, startOffset, cleanedEndOffset: Math.min(cleanedEndOffset, recovered) }, closed };
  }

  async #restore({ name }: Stray, key: string): Promise<void> {
    const { directory: root } = this.#home;
    const { io } = this.#parts;
    await this.#home.rename(`${root}/${name}`, `${root}/${key}`);
    io.logger.warn(
      { partition: key, folder: `${root}/${name}` },
      "the topic of a log that was set aside is known again: the log is taken up as it was",
    );
  }

  async forgetNotes(key: string): Promise<void> {
    const { directory: root } = this.#home;
    const { files } = this.#parts.io;
    for (const name of [fileNames.stray, fileNames.cleanStop]) await files.remove(`${root}/${key}/${name}`);
  }

  deleteTopics(topicIds: ReadonlySet<TopicId>): Promise<void> {
    return this.#remove(({ topicId }) => topicId !== null && topicIds.has(topicId), "its topic was deleted");
  }

  expire(retentionMs: number): Promise<void> {
    const nowMs = this.#parts.clock.nowMs();
    return this.#remove((stray) => isExpired(stray, { nowMs, retentionMs }), "ottla.log.stray.retention.ms is over");
  }

  async #remove(isMeant: (stray: Stray) => boolean, why: string): Promise<void> {
    const { directory: root } = this.#home;
    const { io } = this.#parts;
    for (const stray of this.#all.filter(isMeant)) {
      // restored, or removed by another call, while the one before it was renamed
      if (!this.#all.includes(stray)) continue;
      this.#leaveOut(stray);
      const folder = `${root}/${stray.name}`;
      const renamed = `${root}/${deletedDirectoryName(stray.name, this.#uniqueHex())}`;
      await this.#home.rename(folder, renamed);
      io.logger.info({ folder, topicId: stray.topicId }, `removing a log that was set aside: ${why}`);
      this.#home.removeInBackground([renamed]);
    }
  }

  #leaveOut(stray: Stray): void {
    this.#all = this.#all.filter((other) => other !== stray);
  }

  #uniqueHex(): string {
    return this.#parts.random.bytes(16).toString("hex");
  }
}
