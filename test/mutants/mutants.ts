import type { Mutant } from "./mutant.ts";

/** Each is one rule of the design taken away where a reader could overlook it. By the part of the product that is wrong. */
export const mutants: readonly Mutant[] = [
  // ---- the leader's decisions
  {
    name: "joiner-does-not-count",
    file: "broker/partition/leader-state.ts",
    find: "return new Set([...state.isr, state.change.joining]);",
    replace: "return state.isr;",
    breaks:
      "A replica proposed to join does not hold the high watermark back until the answer is there, though the coordinator may have it already.",
  },
  {
    name: "leaver-counts-no-more",
    file: "broker/partition/leader-state.ts",
    find: 'case "shrinking":\n    case "settled":\n      return state.isr;',
    replace: 'case "shrinking":\n      return state.isr.difference(state.change.leaving);\n    case "settled":\n      return state.isr;',
    breaks: "One proposed to leave does not count any more, though the coordinator may still elect it.",
  },
  {
    name: "join-without-epoch-start",
    file: "broker/partition/leader-state.ts",
    find: "state.replicas.includes(from) && fetchOffset >= state.epochStartOffset;",
    replace: "state.replicas.includes(from);",
    breaks: "A replica joins at a new leader's high watermark, which may still be below what the last leader acknowledged.",
  },
  {
    name: "renewed-leader-keeps-progress",
    file: "broker/partition/leadership.ts",
    find: "this.#state = this.#begin(record, this.#state.highWatermark);\n    this.#tell();",
    replace:
      "const { followers } = this.#state;\n    this.#state = { ...this.#begin(record, this.#state.highWatermark), followers };\n    this.#tell();",
    breaks: "What followers fetched under an earlier epoch counts under the next one, though they may have cut it since.",
  },
  {
    name: "old-epoch-acknowledges",
    file: "broker/partition/leadership.ts",
    find: 'if (leaderEpoch !== epoch) return leaderEpoch < epoch ? "FENCED_LEADER_EPOCH" : "UNKNOWN_LEADER_EPOCH";',
    replace: 'if (leaderEpoch > epoch) return "UNKNOWN_LEADER_EPOCH";',
    breaks: "A fetch under an older leader epoch counts as an acknowledgement.",
  },
  {
    name: "acknowledge-without-session",
    file: "broker/partition/leadership.ts",
    find: 'if (!this.#isSessionProved()) return { error: "NOT_LEADER_OR_FOLLOWER" };\n        // records that are committed',
    replace: "// records that are committed",
    breaks: "A leader that wakes up from a long stop acknowledges before it has looked at its session.",
  },
  {
    name: "acks-1-before-it-is-written",
    file: "broker/partition/leadership.ts",
    find: "if (acks !== -1) return this.#acknowledge(await this.#untilWritten(appended.endOffset), acks, appended);",
    replace: 'if (acks !== -1) return this.#acknowledge("reached", acks, appended);',
    breaks: "acks=1 is answered while the record waits for the disk.",
  },
  {
    name: "read-above-high-watermark",
    file: "broker/partition/leadership.ts",
    find: "if (fetchOffset >= highWatermark) return nothing;\n    const read = await readRecords(log, fetchOffset, { maxBytes, endOffsetLimit: highWatermark, minOneBatch });",
    replace:
      "if (fetchOffset >= log.writtenEndOffset) return nothing;\n    const read = await readRecords(log, fetchOffset, { maxBytes, endOffsetLimit: log.writtenEndOffset, minOneBatch });",
    breaks: "Consumers see what is not committed.",
  },
  {
    name: "retrying-waiters-forgotten",
    file: "broker/partition/offset-waiters.ts",
    find: "for (const waiter of [...this.#waiting, ...this.#waitingAgain]) waiter.settle(end);",
    replace: "for (const waiter of [...this.#waiting]) waiter.settle(end);",
    breaks: "A producer that repeated a batch is not told when the leadership ends.",
  },
  // ---- the in-sync set in the coordinator
  {
    name: "isr-answer-of-an-older-epoch",
    file: "broker/partition/isr-writer.ts",
    find: "if (current().epoch !== state.epoch) continue;",
    replace: "",
    breaks: "The answer to a write under one epoch is applied under the next.",
  },
  {
    name: "isr-of-another-topic",
    file: "broker/cluster/zookeeper-isr-store.ts",
    find: '{ kind: "check", path: topicIdPath(change.topic, change.topicId), version: -1 },',
    replace: '{ kind: "check", path: "/", version: -1 },',
    breaks: "The leader of a deleted topic writes its in-sync set into the topic made anew under its name.",
  },
  {
    name: "anyones-set-is-our-own",
    file: "broker/cluster/zookeeper-isr-store.ts",
    find: 'if (after === "unknown" && stateVersion === change.expectedVersion + 1 && sameMembers(state, change))',
    replace: 'if (after === "unknown" && stateVersion === change.expectedVersion + 1)',
    breaks: "After a lost answer, what the controller wrote in between counts as the leader's own in-sync set.",
  },
  // ---- the follower
  {
    name: "queued-counts-as-written",
    file: "broker/partition/followership.ts",
    find: "this.#underway !== null || log.writtenEndOffset < log.endOffset) return null;",
    replace: "this.#underway !== null) return null;",
    breaks: "A fetch acknowledges what waits for the disk.",
  },
  {
    name: "append-is-not-awaited",
    file: "broker/partition/followership.ts",
    find: "if (records.length > 0) await log.written(log.endOffset);",
    replace: "",
    breaks: "The next fetch goes out, and the high watermark moves, before what came is written.",
  },
  {
    name: "own-empty-epochs-stay",
    file: "broker/partition/partition.ts",
    find: "if (latest > log.lastEpoch && latest > ledEpoch) await log.truncateTo(log.endOffset);",
    replace: "",
    breaks: "A former leader keeps an epoch without records, and later tells followers that an older one ended there.",
  },
  {
    name: "truncation-forgets-epochs",
    file: "broker/partition/follower-state.ts",
    find: "return ours.epoch === leaders.epoch ? Math.min(ours.endOffset, leaders.endOffset) : ours.endOffset;",
    replace: "return leaders.endOffset;",
    breaks: "A follower that does not know the leader's epoch cuts at the leader's end of it, not at its own (KIP-279).",
  },
  // ---- the controller
  {
    name: "doubtful-members-stay",
    file: "broker/controller/leadership.ts",
    find: 'return standing === "same-life" || standing === "whole";',
    replace: 'return standing !== "outlived";',
    breaks: "A member of the in-sync set that lost its power stays in it.",
  },
  {
    name: "anyone-replaces-who-leaves",
    file: "broker/controller/elections.ts",
    find: "return electOffline({ replicas, isr, whole, canLead: (id) => id !== leaving && canLead(id) }, false);",
    replace: "return electOffline({ replicas, isr, whole, canLead: (id) => id !== leaving && canLead(id) }, true);",
    breaks: "A controlled shutdown hands a leadership to a replica that is not in sync.",
  },
  {
    name: "controller-is-not-fenced",
    file: "broker/controller/fenced-writer.ts",
    find: "path: this.#epochPath, version: this.#term.epochVersion };",
    replace: "path: this.#epochPath, version: -1 };",
    breaks: "A deposed controller's transactions are carried out.",
  },
  {
    name: "election-keeps-the-epoch",
    file: "broker/controller/leadership.ts",
    find: "leaderEpoch: record.leaderEpoch + 1,",
    replace: "leaderEpoch: record.leaderEpoch + (elected?.leader === record.leader ? 0 : 1),",
    breaks: "A leader that registered anew leads on under the epoch of its earlier life.",
  },
  {
    name: "image-before-withdrawal",
    file: "broker/cluster/update-receiver.ts",
    find: "if (changes.withdraw.length > 0) await roles.withdraw(changes.withdraw);\n    if (view.ownEpoch !== brokerEpoch) return false;\n    images.replace(after);",
    replace:
      "images.replace(after);\n    if (changes.withdraw.length > 0) await roles.withdraw(changes.withdraw);\n    if (view.ownEpoch !== brokerEpoch) return false;",
    breaks: "A topic made anew is visible while its name still leads to the old log.",
  },
  {
    name: "unclean-is-not-on-record",
    file: "broker/controller/leadership.ts",
    find: "leaderRecovering: elected?.unclean === true || stillRecovering(record, record.isr),",
    replace: "leaderRecovering: stillRecovering(record, record.isr),",
    breaks: "Followers are not told that a leader may lack committed records, and refuse to follow it.",
  },
  // ---- the log
  {
    name: "flush-is-not-awaited",
    file: "broker/log/log-writer.ts",
    find: "if (hasGap || this.#schedule.isFlushDue()) await this.#flusher.flush();",
    replace: "if (hasGap || this.#schedule.isFlushDue()) this.#flusher.flushInBackground();",
    breaks: "With flush.messages=1 records count as written before they are on the disk.",
  },
  {
    name: "cut-keeps-producers",
    file: "broker/log/truncation.ts",
    find: "state.producers.become(producers);",
    replace: "",
    breaks: "After a cut, a producer's batches that were cut count as duplicates.",
  },
  {
    name: "cut-keeps-recovery-point",
    file: "broker/log/truncation.ts",
    find: "state.recoveryPoint = Math.min(state.recoveryPoint, endOffset);\n  state.startOffset",
    replace: "state.startOffset",
    breaks: "After a cut below the recovery point, new unsynced records count as synced.",
  },
  {
    name: "recovery-point-without-sync",
    file: "broker/log/log-flusher.ts",
    find: "    await file.sync();\n    // 3. the names",
    replace: "    // 3. the names",
    breaks: "What is not on the disk counts as recovered.",
  },
  {
    name: "tombstones-leave-at-once",
    file: "broker/log/compaction/filter-batch.ts",
    find: "batch.hasDeleteHorizon && batch.baseTimestampMs <= rules.nowMs;",
    replace: "batch.hasDeleteHorizon;",
    breaks: "delete.retention.ms does not count: a consumer does not learn of deletions.",
  },
  {
    name: "retention-ignores-commit",
    file: "broker/log/retention.ts",
    find: "while (count < segments.length && excess >= segments[count]!.sizeInBytes) excess",
    replace: "while (count < segments.length && excess > 0) excess",
    breaks: "retention.bytes takes the segment that reaches over the limit, too.",
  },
  // ---- session and membership
  {
    name: "proof-counts-from-the-answer",
    file: "coordinator-client/session/session-coordinator.ts",
    find: "if (wire === this.#wire && this.#session !== null) this.#proof.answered(asked, this.#session.timeoutMs);",
    replace: "if (wire === this.#wire && this.#session !== null) this.#proof.answered(this.#proof.asking(), this.#session.timeoutMs);",
    breaks: "A session counts as proved from when an answer is read, not from when it was asked for.",
  },
  {
    name: "sleep-does-not-count",
    file: "coordinator-client/session/session-proof.ts",
    find: "return this.#untilMs - Math.max(0, this.#ahead() - this.#aheadMs);",
    replace: "return this.#untilMs;",
    breaks: "While a machine sleeps its monotonic clock stands still: awake again, a leader holds its session for proved.",
  },
  {
    name: "stopping-broker-keeps-its-lead",
    file: "broker/cluster/membership.ts",
    find: 'if (state === "lost" || (state === "closed" && !isStopping)) return this.#lose();',
    replace: 'if (!isStopping && (state === "lost" || state === "closed")) return this.#lose();',
    breaks: "A broker that stops does not notice the loss of its session.",
  },
  // ---- groups
  {
    name: "commit-answered-at-once",
    file: "broker/group/shard.ts",
    find: "if (!last.isOver) {\n      for (const settlement of settlements) last.settlements.push(settlement);\n      return;\n    }",
    replace: "if (!last.isOver) {\n      for (const { release } of settlements) release();\n      return;\n    }",
    breaks: "A commit of offsets is answered before the in-sync replicas have it.",
  },
  {
    name: "commit-of-an-older-generation",
    file: "broker/group/classic/classic-group.ts",
    find: 'if (generation !== this.generation) return "ILLEGAL_GENERATION";',
    replace: "",
    breaks: "A member of an earlier generation commits over what the present owner has committed.",
  },
  // ---- the client
  {
    name: "retry-goes-to-the-end",
    file: "client/producer/partition-queue.ts",
    find: "this.batches.splice(behind < 0 ? this.batches.length : behind, 0, ...batches);",
    replace: "this.batches.push(...batches);",
    breaks: "A batch that is sent again comes behind those that were sent after it.",
  },
  {
    name: "unknown-outcome-is-none",
    file: "client/producer/produce-outcome.ts",
    find: 'if (outcome.kind === "failed") return outcome.wasSent;',
    replace: 'if (outcome.kind === "failed") return false;',
    breaks: "A batch whose answer was lost may be numbered anew, and is stored twice.",
  },
  {
    name: "consumer-skips-a-batch",
    file: "client/consumer/assigned-partition.ts",
    find: "this.fetchPosition = this.position;\n    this.fetchEpoch",
    replace: "this.fetchEpoch",
    breaks: "What was buffered and is given up is not fetched again.",
  },
];
