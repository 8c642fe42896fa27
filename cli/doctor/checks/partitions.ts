import type { PartitionMetadata, TopicDescription } from "../../../client/index.ts";
import { noBroker, partitionKey } from "../../../protocol/base/ids.ts";
import { missingBrokers } from "../../cluster/show-cluster.ts";
import { formatCount } from "../../output/units.ts";
import { isOffline, isUnderReplicated } from "../../topic/topic-health.ts";
import { brokerNames, type Facts } from "../facts.ts";
import { type Checked, finding, findingIf } from "../finding.ts";

const check = "partitions";
const showThem = "ottla topic describe --under-replicated";

/** Whether everything is led, and has its copies; who is away; whether somebody is the controller. */
export function checkPartitions(facts: Facts): Checked {
  const { topics, brokers, controllerId } = facts;
  const ids = brokers.map(({ id }) => id);
  const named = (wanted: (partition: PartitionMetadata, topic: TopicDescription) => boolean) =>
    topics.flatMap((topic) =>
      topic.partitions.filter((each) => wanted(each, topic)).map(({ partition }) => partitionKey(topic.name, partition)),
    );
  const away = missingBrokers(topics, ids);
  const belowMin = named((partition, topic) => !isOffline(partition) && isBelowMin(partition, minInsync(facts, topic.name)));
  const findings = [
    ...(controllerId === noBroker || !ids.includes(controllerId)
      ? [
          finding("controller", "error", {
            what: controllerId === noBroker ? "there is no controller" : `the controller, broker ${controllerId}, is not there`,
            why: "no leader is elected when one is lost, and no topic can be created or changed",
            advice: "it is elected in ZooKeeper within seconds: see in the brokers' logs why not, and whether they reach ZooKeeper",
            commands: ["ottla cluster describe"],
          }),
        ]
      : []),
    ...findingIf("missing-brokers", "error", brokerNames(away), (count) => ({
      what: `${formatCount(count, "broker")} with replicas ${count === 1 ? "is" : "are"} away`,
      why: "their partitions lack copies until they are back, and the next loss may take more",
      advice: "start them again; for one that does not come back, this shows how its copies are made elsewhere",
      commands: away.map((id) => `ottla cluster drain ${id} --dry-run`),
    })),
    ...findingIf(check, "error", named(isOffline), (count) => ({
      what: `${formatCount(count, "partition")} without a leader`,
      why: "they can be neither written to nor read from",
      advice: "start the brokers that have their in-sync copies; an unclean election would lose records",
      commands: [showThem],
    })),
    ...findingIf(check, "error", belowMin, (count) => ({
      what: `${formatCount(count, "partition")} with fewer copies in sync than min.insync.replicas`,
      why: "producers with acks=all are refused there",
      advice: "bring the missing copies back",
      commands: [showThem],
    })),
    ...findingIf(
      check,
      "warning",
      named((partition) => !isOffline(partition) && isUnderReplicated(partition)),
      (count) => ({
        what: `${formatCount(count, "partition")} under-replicated`,
        why: "some copy is missing or behind: the next loss of a broker may make them unavailable, or lose what only one has",
        commands: [showThem],
      }),
    ),
  ];
  return { findings, unchecked: [] };
}

/** Null: not known. */
export function minInsync({ topicSettings }: Pick<Facts, "topicSettings">, topic: string): number | null {
  const text = topicSettings.value?.get(topic)?.get("min.insync.replicas")?.value ?? null;
  return text === null ? null : Number(text);
}

/** More than there are copies is another fault, of the settings. */
function isBelowMin({ isr, replicas }: PartitionMetadata, required: number | null): boolean {
  return required !== null && isr.length < Math.min(required, replicas.length);
}
