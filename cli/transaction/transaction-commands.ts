import type { Admin, TransactionDescription, TransactionFilter } from "../../client/index.ts";
import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { CommandFailed } from "../output/command-failed.ts";
import type { Look } from "../output/look.ts";
import { type Cell, table } from "../output/table.ts";
import { printable } from "../output/terminal-text.ts";
import { formatAge, formatCount } from "../output/units.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { isHanging, type OpenTransaction, openIn } from "./hanging.ts";

export async function listTransactions(admin: Admin, filter: TransactionFilter, { output, json }: Shown): Promise<void> {
  const found = await admin.listTransactions(filter);
  if (json) return output.json(found);
  const rows = found.map(({ transactionalId, state, producerId }): Cell[] => [transactionalId, state, producerId]);
  if (rows.length > 0) await output.write(table(["transactional id", "state", "producer id"], rows, output.look));
  else if (output.look.isTerminal) await output.line("no transactional ids");
}

export async function describeTransactions(admin: Admin, ids: readonly string[], nowMs: number, { output, json }: Shown): Promise<void> {
  const results = await admin.describeTransactions(ids);
  const found = results.filter((result) => result.error === null);
  if (json) await output.json(found.map(({ error: _none, ...described }) => described));
  else await output.write(found.map((each) => asText(each, nowMs, output.look)).join("\n"));
  failForErrors(results);
}

function asText(described: TransactionDescription, nowMs: number, look: Look): string {
  const { transactionalId, state, producerId, producerEpoch, timeoutMs, startTimeMs, partitions } = described;
  const isOpen = state === "Ongoing" || state.startsWith("Prepare");
  const age = startTimeMs === null || !isOpen ? "" : `, open for ${formatAge(Math.max(nowMs - startTimeMs, 0))}`;
  const facts = `${printable(transactionalId)}: ${printable(state)}${age}, producer ${producerId} epoch ${producerEpoch}, timeout ${formatAge(timeoutMs)}\n`;
  if (partitions.length === 0) return facts;
  return (
    facts +
    table(
      ["topic", "partition"],
      partitions.map(({ topic, partition }): Cell[] => [topic, partition]),
      look,
    )
  );
}

export interface Where {
  /** Empty: all. */
  readonly topics: readonly string[];
  /** Of each topic. Empty: all. */
  readonly partitions: readonly number[];
}

/** Those with no record for this long: what was written lately is not suspected. */
export interface HangingOrder extends Where {
  readonly quietForMs: number;
  readonly nowMs: number;
}

export async function findHanging(admin: Admin, order: HangingOrder, { output, json }: Shown): Promise<void> {
  const partitions = await partitionsOf(admin, order);
  const open = (await openTransactions(admin, partitions)).filter(
    ({ lastTimestampMs }) => order.nowMs - lastTimestampMs >= order.quietForMs,
  );
  const hanging = await hangingOf(admin, open);
  if (json) return output.json(hanging);
  const rows = hanging.map(({ topic, partition, producerId, producerEpoch, startOffset, lastTimestampMs }): Cell[] => [
    topic,
    partition,
    producerId,
    producerEpoch,
    startOffset,
    formatAge(Math.max(order.nowMs - lastTimestampMs, 0)),
  ]);
  const head = ["topic", "partition", "producer id", "producer epoch", "start offset", "last record"];
  if (rows.length > 0) return output.write(table(head, rows, output.look));
  if (output.look.isTerminal) await output.line(`no hanging transactions in ${formatCount(partitions.length, "partition")}`);
}

async function partitionsOf(admin: Admin, { topics, partitions }: Where): Promise<TopicPartition[]> {
  const results = topics.length === 0 ? null : await admin.describeTopics(topics);
  if (results !== null) failForErrors(results);
  const described = results?.filter(({ error }) => error === null) ?? (await admin.listTopics());
  return described.flatMap(({ name = "", partitions: present = [] }) =>
    present
      .filter(({ partition }) => partitions.length === 0 || partitions.includes(partition))
      .map(({ partition }) => ({ topic: name, partition })),
  );
}

async function openTransactions(admin: Admin, partitions: readonly TopicPartition[]): Promise<OpenTransaction[]> {
  if (partitions.length === 0) return [];
  const results = await admin.describeProducers(partitions);
  failForErrors(results);
  return results.flatMap(({ topic = "", partition = -1, producers = [] }) => openIn({ topic, partition }, producers));
}

/** Of these, those that no coordinator has. */
async function hangingOf(admin: Admin, open: readonly OpenTransaction[]): Promise<OpenTransaction[]> {
  if (open.length === 0) return [];
  const producerIds = [...new Set(open.map(({ producerId }) => producerId))];
  const listed = await admin.listTransactions({ producerIds });
  const described = listed.length === 0 ? [] : await admin.describeTransactions(listed.map(({ transactionalId }) => transactionalId));
  // one that has expired since is known to nobody
  failForErrors(described.filter(({ error }) => error !== null && error.code !== "TRANSACTIONAL_ID_NOT_FOUND"));
  const known = described.filter((each) => each.error === null);
  const suspects = open.filter((each) =>
    isHanging(
      each,
      known.filter(({ producerId }) => producerId === each.producerId),
    ),
  );
  if (suspects.length === 0) return [];
  // one that was ended while we asked is in the partition no more
  const still = new Set((await openTransactions(admin, suspects)).map(identityOf));
  return suspects.filter((each) => still.has(identityOf(each)));
}

function identityOf({ topic, partition, producerId, startOffset }: OpenTransaction): string {
  return `${partitionKey(topic, partition)} ${producerId} ${startOffset}`;
}

export interface AbortOrder extends TopicPartition {
  readonly startOffset: number;
  /** Also one that its coordinator knows. */
  readonly isForced: boolean;
}

/** Ends a transaction in its partition, past its coordinator. */
export async function abortTransaction(admin: Admin, order: AbortOrder, { output, json }: Shown): Promise<void> {
  const { topic, partition, startOffset, isForced } = order;
  const where = `${topic}-${partition}`;
  const open = await openTransactions(admin, [{ topic, partition }]);
  const found = open.find((each) => each.startOffset === startOffset);
  if (found === undefined) {
    const there =
      open.length === 0 ? "none is open there" : `those that are open there begin at ${open.map((each) => each.startOffset).join(", ")}`;
    throw new CommandFailed(`no open transaction begins at offset ${startOffset} of ${where}: ${there}`);
  }
  if (!isForced && (await hangingOf(admin, [found])).length === 0)
    throw new CommandFailed(
      `the transaction at offset ${startOffset} of ${where} does not hang: its coordinator has it, and ends it at its timeout at the latest; --force aborts it nevertheless, in this partition only`,
    );
  const { producerId, producerEpoch, coordinatorEpoch } = found;
  await admin.abortTransaction({ topic, partition, producerId, producerEpoch, coordinatorEpoch });
  if (json) return output.json({ topic, partition, startOffset, producerId, producerEpoch });
  await output.line(`aborted: producer ${producerId} epoch ${producerEpoch}, from offset ${startOffset} of ${where}`);
}
