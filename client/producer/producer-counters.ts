import type { ProducerBatch } from "./producer-batch.ts";

/** What a producer counts, batch by batch. See `ProducerMetrics` for what the numbers mean. */
export class ProducerCounters {
  recordsSent = 0;
  recordsRetried = 0;
  recordsAcknowledged = 0;
  recordsFailed = 0;
  batchesSent = 0;
  bytesSent = 0;
  uncompressedBytesSent = 0;
  bytesAcknowledged = 0;
  produceRequests = 0;
  produceTimeMs = 0;
  sendsDelayed = 0;
  sendDelayTimeMs = 0;

  /** It was encoded for a request. */
  sent({ sends, attempts, encodedBytes, sizeInBytes }: ProducerBatch): void {
    this.batchesSent++;
    this.recordsSent += sends.length;
    if (attempts > 1) this.recordsRetried += sends.length;
    this.bytesSent += encodedBytes;
    this.uncompressedBytesSent += sizeInBytes;
  }

  acknowledged({ sends, encodedBytes }: ProducerBatch): void {
    this.recordsAcknowledged += sends.length;
    this.bytesAcknowledged += encodedBytes;
  }
}
