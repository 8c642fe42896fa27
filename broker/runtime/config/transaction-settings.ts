import { boolean, int, short } from "./definition.ts";
import { brokerSetting } from "./setting.ts";

/** Of the transaction coordinator. */
export const transactionSettings = {
  timeoutMaxMs: brokerSetting(
    "transaction.max.timeout.ms",
    int(900000, "The longest timeout that a transactional producer may ask for (INVALID_TRANSACTION_TIMEOUT).", {
      min: 1,
      unit: "milliseconds",
    }),
  ),
  timeoutCheckMs: brokerSetting(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    int(10000, "How often transactions are looked for that are open for longer than their timeout, to be aborted.", {
      min: 1,
      unit: "milliseconds",
    }),
  ),
  expirationMs: brokerSetting(
    "transactional.id.expiration.ms",
    int(604800000, "How long a transactional id is kept after its last transaction.", { min: 1, unit: "milliseconds" }),
  ),
  expirationCheckMs: brokerSetting(
    "transaction.remove.expired.transaction.cleanup.interval.ms",
    int(3600000, "How often transactional ids are looked for that are not kept any longer.", { min: 1, unit: "milliseconds" }),
  ),
  loadBufferBytes: brokerSetting(
    "transaction.state.log.load.buffer.size",
    int(5242880, "Bytes read at a time when transactions are loaded from their log.", { min: 1, unit: "bytes" }),
  ),
  stateTopicPartitions: brokerSetting(
    "transaction.state.log.num.partitions",
    int(
      50,
      "Partitions of `__transaction_state`, which is made when the first transactional producer comes. Not to be changed afterwards.",
      {
        min: 1,
      },
    ),
  ),
  stateTopicReplicationFactor: brokerSetting(
    "transaction.state.log.replication.factor",
    short(3, "Copies of `__transaction_state`; as many as there are brokers when the topic is made, if those are fewer.", {
      min: 1,
      max: 32767,
    }),
  ),
  stateTopicMinInsync: brokerSetting(
    "transaction.state.log.min.isr",
    int(2, "Copies of `__transaction_state` that must be in sync for a transaction to go on; all of them, if the topic has fewer.", {
      min: 1,
    }),
  ),
  stateTopicSegmentBytes: brokerSetting(
    "transaction.state.log.segment.bytes",
    int(104857600, "Segment size of `__transaction_state`: small, so that it is compacted and loaded quickly.", { min: 1, unit: "bytes" }),
  ),
  verifiesPartitions: brokerSetting(
    "transaction.partition.verification.enable",
    boolean(
      true,
      "Whether a leader asks the transaction coordinator before the first batch of a transaction is appended. Without that, a batch that is late may become a part of the wrong transaction. Clients of transaction version 2 do not depend on it.",
      { update: "per-broker" },
    ),
  ),
};
