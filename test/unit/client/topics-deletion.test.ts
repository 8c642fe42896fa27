import { expect, test } from "vitest";
import { Admin } from "../../../client/admin/admin.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import type { DeleteTopicsRequest } from "../../../protocol/messages/delete-topics.ts";
import { FakeCluster } from "./fake-cluster.ts";

const idOf = (text: string) => Buffer.from(text.padEnd(16, "_")).toString("base64url");

/** Brokers that delete what they are told to, and `lose` the next answers to it. */
function deleting(fake: FakeCluster) {
  const asked: DeleteTopicsRequest["topics"][] = [];
  const lost: (() => void)[] = [];
  fake.intercept = ({ api, request }) => {
    if (api !== "DeleteTopics") return undefined;
    const { topics } = request as DeleteTopicsRequest;
    asked.push(topics);
    const responses = topics.map(({ name, topicId }) => {
      const known = [...fake.topics].find(([of, topic]) => (name === null ? topic.topicId === topicId : of === name));
      if (known !== undefined) fake.topics.delete(known[0]);
      const unknown = name === null ? "UNKNOWN_TOPIC_ID" : "UNKNOWN_TOPIC_OR_PARTITION";
      return { name: known?.[0] ?? name, topicId, errorCode: known === undefined ? unknown : "NONE", errorMessage: null };
    });
    const afterwards = lost.shift();
    if (afterwards === undefined) return { throttleTimeMs: 0, responses };
    afterwards();
    return "close";
  };
  return { asked, lose: (afterwards: () => void) => lost.push(afterwards) };
}

test("a topic is named by its id, so that a late request does not hit another of the same name", async () => {
  const fake = new FakeCluster();
  fake.topic("t", [1]);
  const { asked, lose } = deleting(fake);
  lose(() => fake.topic("t", [1], idOf("another")));
  expect(await fake.clock.until(new Admin(fake.options).deleteTopics(["t"]))).toEqual([{ name: "t", error: null }]);
  expect(asked).toEqual([[{ name: null, topicId: idOf("t") }], [{ name: null, topicId: idOf("t") }]]);
  expect(fake.topics.get("t")?.topicId).toBe(idOf("another"));
});

test("a topic that is not there is unknown; one that the asked broker does not know is named, for the controller may know it", async () => {
  const fake = new FakeCluster();
  fake.topic("a", [1]);
  const { asked } = deleting(fake);
  const [a, b] = await fake.clock.until(new Admin(fake.options).deleteTopics(["a", "b"]));
  expect(a).toEqual({ name: "a", error: null });
  expect(b?.error?.code).toBe("UNKNOWN_TOPIC_OR_PARTITION");
  expect(asked).toEqual([
    [
      { name: null, topicId: idOf("a") },
      { name: "b", topicId: zeroTopicId },
    ],
  ]);
});

test("where the asked broker has an old id, it is looked up again, until a broker knows the topic or none does", async () => {
  const fake = new FakeCluster();
  fake.topic("t", [1], idOf("former"));
  const { asked } = deleting(fake);
  const answer = fake.intercept;
  for (const there of ["present", null]) {
    fake.topic("t", [1], idOf("former"));
    let isBehind = true;
    fake.intercept = (call) => {
      if (call.api !== "DeleteTopics" || !isBehind) return answer?.(call);
      isBehind = false;
      if (there === null) fake.topics.delete("t");
      else fake.topic("t", [1], idOf(there));
      return unknownId(call.request);
    };
    const [result] = await fake.clock.until(new Admin(fake.options).deleteTopics(["t"]));
    expect(result?.error?.code ?? "NONE").toBe(there === null ? "UNKNOWN_TOPIC_OR_PARTITION" : "NONE");
    expect(fake.topics.has("t")).toBe(false);
  }
  expect(asked.at(-1)).toEqual([{ name: "t", topicId: zeroTopicId }]);
});

function unknownId(request: unknown) {
  const { topics } = request as DeleteTopicsRequest;
  const responses = topics.map(({ name, topicId }) => ({ name, topicId, errorCode: "UNKNOWN_TOPIC_ID", errorMessage: null }));
  return { throttleTimeMs: 0, responses };
}
