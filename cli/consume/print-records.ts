import { tellingRuntime } from "../output/complaints.ts";
import type { Output } from "../output/output.ts";
import type { RecordFormat, RecordToFormat } from "../output/record-format.ts";

const asTheyAre = { deserialize: (bytes: Buffer) => bytes };

/** The options of a consumer that prints its records, in a group and without one. */
export const printingConsumer = {
  clientId: "ottla-consume",
  runtime: tellingRuntime,
  keySerde: asTheyAre,
  valueSerde: asTheyAre,
} as const;

/** Records of one stored batch are printed together, in pieces of about this size. */
const writeTogetherBytes = 256 * 1024;

/** Resolves when more may be written. */
export async function printRecords(records: readonly RecordToFormat[], format: RecordFormat, output: Output): Promise<void> {
  let pieces: (Buffer | string)[] = [];
  let bytes = 0;
  for (const record of records) {
    format(record, pieces);
    bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
    if (bytes < writeTogetherBytes) continue;
    await output.write(joined(pieces));
    pieces = [];
    bytes = 0;
  }
  await output.write(joined(pieces));
}

function joined(pieces: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece)));
}
