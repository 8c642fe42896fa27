import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OttlaCommand } from "../../support/ottla-command.ts";
import { type KafkaBroker, prepareKafka } from "../../support/outside/apache-kafka.ts";

// `ottla top` and `ottla doctor` at a broker of Apache Kafka 3.9.1, which serves no metrics: skipped with the reason where it cannot be
// had.
const kafka = await prepareKafka();

describe.skipIf(kafka.missing !== null)(
  `a broker of Kafka, seen by our commands${kafka.missing === null ? "" : `: ${kafka.missing}`}`,
  () => {
    let broker: KafkaBroker;
    beforeAll(async () => {
      broker = await kafka.program!.startBroker({ "auto.create.topics.enable": "false" });
      await ottla("topic create orders --partitions 3 --replication-factor 1");
      await ottla("produce orders", "a line\n".repeat(1000));
      await ottla("consume orders --group billing --from beginning --max 1000");
    });
    afterAll(async () => {
      await OttlaCommand.killAll();
      await broker?.remove();
    });

    async function ottla(args: string, stdin = "", wanted = 0): Promise<string> {
      const { code, stdout, stderr } = await new OttlaCommand([...args.split(" "), "--bootstrap", broker.address], stdin).result;
      expect({ args, code, stderr: code === wanted ? "" : stderr }).toEqual({ args, code: wanted, stderr: "" });
      return stdout;
    }

    test("top shows what the protocol tells, and says why there is no more", async () => {
      const brokers = JSON.parse(await ottla("top --json --count 1 --interval 1"));
      expect(brokers.remarks).toEqual(["metrics of broker 1 not known: it has no setting metrics.listener, so it is none of Ottla's"]);
      expect(brokers.brokers).toMatchObject([
        { broker: 1, isController: true, leaders: 4, replicas: 4, underReplicated: 0, cpu: null, inBytesPerSecond: null },
      ]);
      expect(brokers.brokers[0].sizeInBytes).toBeGreaterThan(1000);
      expect([brokers.brokers[0].recordsPerSecond, brokers.brokers[0].diskUsed > 0]).toEqual([0, true]);
      const topics = JSON.parse(await ottla("top --json --count 1 --interval 1 --view topics --filter orders"));
      expect(topics.topics).toMatchObject([{ topic: "orders", partitions: 3, recordsPerSecond: 0, inBytesPerSecond: null }]);
      const groups = JSON.parse(await ottla("top --json --count 1 --interval 1 --view groups"));
      expect(groups.groups).toMatchObject([{ group: "billing", members: 0, lag: 0, catchesUpInMs: 0 }]);
    });

    test("doctor finds what a throttle left, mends it, and says what it could not look at", async () => {
      const throttle = "leader.replication.throttled.replicas";
      await ottla(`topic alter orders --config ${throttle}=*`);
      const sick = JSON.parse(await ottla("doctor --json --observe 1", "", 1));
      const found = sick.findings.filter(({ check }: { readonly check: string }) => check === "throttles");
      expect(found).toMatchObject([{ severity: "warning", where: ["topic orders (leader)"] }]);
      const [, ...command] = found[0].commands[0].split(" ");
      expect((await new OttlaCommand(command).result).code).toBe(0);
      const told = JSON.parse(
        (await new OttlaCommand(["doctor", "--json", "--observe", "1", "--bootstrap", broker.address]).result).stdout,
      );
      // the folders of tests are below /tmp on most machines
      expect(told.findings.filter(({ what }: { readonly what: string }) => !what.endsWith("with data below /tmp"))).toEqual([]);
      expect(told.unchecked).toEqual([
        { what: "clock, event loop and session of broker 1", why: "it has no setting metrics.listener, so it is none of Ottla's" },
      ]);
    });
  },
);
