import { type CompressionCodec, compressionCodecs } from "../../protocol/records/batch-header.ts";
import { decompressedBytesMaxDefault } from "../../protocol/records/decode-batch.ts";
import { type ClientOptions, positive } from "../base/client-options.ts";
import { InvalidArgument } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { checkOptions, clientOptionNames, type OptionNames } from "../base/known-options.ts";
import type { Serde } from "../serialization/serde.ts";
import type { Partitioner } from "./partitioner.ts";

/** Type parameters are the types of keys and values; they follow from the serdes. */
export interface ProducerOptions<K, V> extends ClientOptions {
  /** Turns keys into bytes. Default: text (UTF-8) and bytes as they are. */
  readonly keySerde?: Pick<Serde<K>, "serialize">;
  readonly valueSerde?: Pick<Serde<V>, "serialize">;
  /**
   * When a record counts as written: -1 or "all", every in-sync replica has it (default); 1, its leader has it; 0, it was sent (its offset
   * stays unknown, and it may be lost).
   */
  readonly acks?: -1 | 0 | 1 | "all";
  /**
   * Every record is written once, in order, however often it has to be sent (idempotent): the brokers recognise a duplicate by its number.
   * Needs acks "all". Default: true, unless `acks` says 0 or 1.
   * A send that rejects nevertheless (it timed out) may have been written, once.
   */
  readonly enableIdempotence?: boolean;
  /**
   * How long a record waits for others in the same batch. 0 (default): not at all; those that arrive while an earlier batch is in flight
   * are still batched.
   */
  readonly lingerMs?: number;
  /** A batch is full at this size. Bytes before compression; default 128 KiB. A larger record is sent alone. */
  readonly batchBytesMax?: number;
  /**
   * Largest request; at least `batchBytesMax`. A larger record fails with RecordTooLarge, and with compression one of more than 64 MiB,
   * which no consumer would decompress. Bytes; default 1 MiB.
   */
  readonly requestBytesMax?: number;
  /** Records in flight, all together. When they reach it, `send` waits. Bytes; default 32 MiB. */
  readonly bufferBytesMax?: number;
  /** How long `send` waits for room in the buffer, or for a topic to be known; then it fails. Milliseconds; default 60,000. */
  readonly maxBlockMs?: number;
  /** Default "none". */
  readonly compression?: CompressionCodec;
  /** Instead of Kafka's default (murmur2 of the key, sticky without one). */
  readonly partitioner?: Partitioner;
  /** From `send` to failure, all attempts included. Milliseconds; default 120,000. */
  readonly deliveryTimeoutMs?: number;
  /**
   * Requests in flight to one broker. A partition has up to five batches in them, or one when the producer is not idempotent, so that
   * retries keep the order. Default 5.
   */
  readonly maxInFlightPerBroker?: number;
  /**
   * Names the producer across restarts, and lets it write in transactions: what is sent then belongs to one. A producer that begins under
   * the same name fences those before it. Needs acks "all" and idempotence.
   */
  readonly transactionalId?: string;
  /**
   * A transaction that takes longer is aborted by the brokers, and the producer with it; at most their `transaction.max.timeout.ms`.
   * Milliseconds; default 60,000.
   */
  readonly transactionTimeoutMs?: number;
  /** Whether a topic that does not exist may be created by requesting its metadata, where the brokers allow it. Default true. */
  readonly allowAutoTopicCreation?: boolean;
}

const optionNames: OptionNames<ProducerOptions<unknown, unknown>> = {
  ...clientOptionNames,
  keySerde: true,
  valueSerde: true,
  acks: true,
  enableIdempotence: true,
  lingerMs: true,
  batchBytesMax: true,
  requestBytesMax: true,
  bufferBytesMax: true,
  maxBlockMs: true,
  compression: true,
  partitioner: true,
  deliveryTimeoutMs: true,
  maxInFlightPerBroker: true,
  allowAutoTopicCreation: true,
  transactionalId: true,
  transactionTimeoutMs: true,
};

export interface ProducerSettings {
  readonly isIdempotent: boolean;
  readonly isTransactional: boolean;
  /** Empty: none. */
  readonly transactionalId: string;
  readonly transactionTimeoutMs: number;
  readonly acks: -1 | 0 | 1;
  readonly codec: CompressionCodec;
  readonly lingerMs: number;
  readonly batchBytesMax: number;
  readonly requestBytesMax: number;
  /** Of a batch before it is compressed: what brokers and consumers decompress. */
  readonly recordsBytesMax: number;
  readonly bufferBytesMax: number;
  readonly maxBlockMs: number;
  readonly deliveryTimeoutMs: number;
  readonly maxInFlightPerBroker: number;
}

export function producerSettings<K, V>(options: ProducerOptions<K, V>): ProducerSettings {
  checkOptions("Producer", options, optionNames);
  const { acks = -1, compression = "none", enableIdempotence } = options;
  if (acks !== "all" && acks !== -1 && acks !== 0 && acks !== 1)
    throw new InvalidArgument(`acks is ${acks}: -1, 0, 1 or "all" are possible`);
  if (!compressionCodecs.includes(compression))
    throw new InvalidArgument(`compression is ${compression}: ${compressionCodecs.join(", ")} are possible`);
  const isAll = acks === -1 || acks === "all";
  if (enableIdempotence === true && !isAll)
    throw new InvalidArgument(`enableIdempotence needs acks "all", not ${acks}: a leader's word alone does not outlive it`);
  const { transactionalId } = options;
  if (transactionalId !== undefined && (typeof transactionalId !== "string" || transactionalId === ""))
    throw new InvalidArgument(`transactionalId is ${kindOf(transactionalId)}: it is a text, the same after a restart`);
  if (transactionalId !== undefined && (!isAll || enableIdempotence === false))
    throw new InvalidArgument('a transactionalId needs acks "all" and idempotence');
  if (options.transactionTimeoutMs !== undefined && transactionalId === undefined)
    throw new InvalidArgument("transactionTimeoutMs is of no use without a transactionalId");
  const requestBytesMax = positive("requestBytesMax", options.requestBytesMax ?? 1024 * 1024);
  const recordsBytesMax = compression === "none" ? requestBytesMax : Math.min(requestBytesMax, decompressedBytesMaxDefault);
  return {
    isIdempotent: enableIdempotence ?? isAll,
    isTransactional: transactionalId !== undefined,
    transactionalId: transactionalId ?? "",
    transactionTimeoutMs: positive("transactionTimeoutMs", options.transactionTimeoutMs ?? 60_000),
    acks: acks === "all" ? -1 : acks,
    codec: compression,
    lingerMs: positive("lingerMs", options.lingerMs ?? 0, 0),
    batchBytesMax: Math.min(positive("batchBytesMax", options.batchBytesMax ?? 128 * 1024), recordsBytesMax),
    requestBytesMax,
    recordsBytesMax,
    bufferBytesMax: positive("bufferBytesMax", options.bufferBytesMax ?? 32 * 1024 * 1024),
    maxBlockMs: positive("maxBlockMs", options.maxBlockMs ?? 60_000, 0),
    deliveryTimeoutMs: positive("deliveryTimeoutMs", options.deliveryTimeoutMs ?? 120_000),
    maxInFlightPerBroker: positive("maxInFlightPerBroker", options.maxInFlightPerBroker ?? 5),
  };
}
