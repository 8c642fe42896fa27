import {
  DeliveryTimedOut,
  InvalidArgument,
  KafkaProtocolError,
  ProducerFailed,
  RecordTooLarge,
  SerializationFailed,
  TransactionFailed,
} from "../../client/base/errors.ts";
import { CommandFailed } from "../output/command-failed.ts";

/** A line of which no record can be made. The message continues "line N of FILE …". */
export class BadLine extends Error {
  override readonly name = "BadLine";
}

/** The line itself is what is wrong: sending it again fails again, and sending the others does not. */
export function isOfTheLine(error: Error): boolean {
  return (
    error instanceof BadLine || error instanceof RecordTooLarge || error instanceof SerializationFailed || error instanceof InvalidArgument
  );
}

/** Brokers refuse all lines that were sent together for one of them, and do not say for which. */
export function isOfItsBatch(error: Error): boolean {
  return error instanceof KafkaProtocolError && (error.code === "INVALID_RECORD" || error.code === "INVALID_TIMESTAMP");
}

/** It was sent, and it is not known what came of it. */
export function isInDoubt(error: Error): boolean {
  if (error instanceof DeliveryTimedOut) return error.attempts > 0;
  // nothing of its transaction is stored, whatever was sent
  if (error instanceof TransactionFailed || error instanceof ProducerFailed || error instanceof CommandFailed) return false;
  return !isOfTheLine(error) && !(error instanceof KafkaProtocolError);
}
