import { nearestName } from "../../protocol/base/nearest-name.ts";
import { InvalidArgument } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { OptionNames } from "../base/known-options.ts";
import type { NewTopic } from "./admin-types.ts";

const topicFieldNames: OptionNames<NewTopic> = { name: true, partitions: true, replicationFactor: true, assignment: true, configs: true };

const topicForm = '{ name: "orders", partitions: 6, replicationFactor: 3, configs: { "retention.ms": "3600000" } }';

/** What other clients call these. */
const otherwiseNamed: Readonly<Record<string, string>> = {
  topic: "name",
  topics: "name",
  numPartitions: "partitions",
  configEntries: "configs, an object of names and values",
  replicaAssignment: "assignment, a list of broker ids for each partition",
  assignments: "assignment, a list of broker ids for each partition",
};

/**
 * What types forbid, but JavaScript and other clients' habits bring. A field that is not known would have no effect, without a word: the
 * topic would have the brokers' number of partitions instead of its own. Throws InvalidArgument.
 */
export function checkNewTopic(topic: unknown): void {
  if (typeof topic !== "object" || topic === null) throw new InvalidArgument(`${kindOf(topic)} is no topic to create: it is ${topicForm}`);
  for (const [field, value] of Object.entries(topic)) {
    if (value === undefined || Object.hasOwn(topicFieldNames, field)) continue;
    const ours = Object.hasOwn(otherwiseNamed, field) ? `it is called ${otherwiseNamed[field]} here` : near(field);
    throw new InvalidArgument(`a topic to create has no ${field.slice(0, 100)}: ${ours}`);
  }
  const { name, partitions, replicationFactor, configs = {} } = topic as Readonly<Record<string, unknown>>;
  if (typeof name !== "string") throw new InvalidArgument(`the name of a topic to create is ${kindOf(name)}: it is ${topicForm}`);
  for (const [field, count] of Object.entries({ partitions, replicationFactor }))
    if (count !== undefined && !Number.isInteger(count))
      throw new InvalidArgument(`${field} of topic ${name} is ${kindOf(count)}, no whole number`);
  if (typeof configs !== "object" || configs === null || Array.isArray(configs))
    throw new InvalidArgument(`configs of topic ${name} is ${kindOf(configs)}: it is an object of names and values, both text`);
  for (const [setting, value] of Object.entries(configs))
    if (typeof value !== "string")
      throw new InvalidArgument(`${setting} of topic ${name} is ${kindOf(value)}: values of settings are text`);
}

function near(field: string): string {
  const name = nearestName(field, Object.keys(topicFieldNames));
  return name === null ? `it is ${topicForm}` : `did you mean ${name}?`;
}

/** Throws InvalidArgument for what is no list of names. */
export function checkNames(call: string, names: unknown): void {
  checkList(call, names, '["one", "another"]');
  const other = (names as readonly unknown[]).find((name) => typeof name !== "string");
  if (other !== undefined) throw new InvalidArgument(`${kindOf(other)} is no name: ${call} takes a list of names`);
}

/** Throws InvalidArgument for what is no list. */
export function checkList(call: string, items: unknown, form: string): void {
  if (!Array.isArray(items)) throw new InvalidArgument(`${kindOf(items)} is no list: it is ${call}(${form})`);
}

/** Throws InvalidArgument for what is no group's name. */
export function checkGroupId(call: string, groupId: unknown): void {
  if (typeof groupId !== "string") throw new InvalidArgument(`${kindOf(groupId)} is no group's name: it is ${call}("billing")`);
}
