import { describe, expect, test } from "vitest";
import { prepareKafka } from "../../support/outside/apache-kafka.ts";
import { batchOfShape, codecShapes } from "../../unit/records/shapes/codec-shapes.ts";

// What test/unit/records/codec-shapes.test.ts says of Apache Kafka 3.9.1, asked of its own classes: where they can be had, skipped with the
// reason where not.
const kafka = await prepareKafka();
const { missing } = kafka;
const title = missing === null ? "Apache Kafka's classes" : `Apache Kafka's classes: ${missing}`;

describe.skipIf(missing !== null)(title, () => {
  test("read and refuse the shapes of every codec as the table has it", async () => {
    const verdicts = (await kafka.program?.readBatches(codecShapes.map(batchOfShape))) ?? [];
    const whole = verdicts[0]?.consumer;
    expect(whole).toMatch(/^40:/);
    const found = codecShapes.map(({ codec, name }, i) => `${codec}, ${name}: ${verdicts[i]?.consumer === whole ? "reads" : "refuses"}`);
    expect(found).toEqual(codecShapes.map(({ codec, name, kafka: expected }) => `${codec}, ${name}: ${expected}`));
    // nothing that a consumer could not read is taken; but for one that its broker takes, and its consumer cannot read
    const taken = codecShapes.filter((shape, i) => shape.kafka === "refuses" && verdicts[i]?.broker === "ok").map(({ name }) => name);
    expect(taken).toEqual(["a block that unpacks to nothing"]);
    expect(codecShapes.filter((shape, i) => shape.kafka === "reads" && verdicts[i]?.broker !== "ok")).toEqual([]);
  });
});
