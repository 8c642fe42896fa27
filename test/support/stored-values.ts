import { Consumer, stringSerde } from "../../client/index.ts";

/** All that a topic has, by `partition@offset`. */
export async function storedValues(bootstrap: readonly string[], topic: string): Promise<Map<string, string | null>> {
  await using consumer = new Consumer({ bootstrap, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  const found = new Map<string, string | null>();
  for await (const { partition, offset, value } of consumer) found.set(`${partition}@${offset}`, value);
  return found;
}
