import type { Command } from "commander";
import { registerBench } from "./register-bench.ts";
import { registerBroker } from "./register-broker.ts";
import { registerCluster } from "./register-cluster.ts";
import { registerConsume } from "./register-consume.ts";
import { registerGroup } from "./register-group.ts";
import { registerLog } from "./register-log.ts";
import { registerProduce } from "./register-produce.ts";
import { registerTopic } from "./register-topic.ts";
import { registerUp } from "./register-up.ts";

export function registerCommands(program: Command): void {
  registerUp(program);
  registerBroker(program);
  registerTopic(program);
  registerProduce(program);
  registerConsume(program);
  registerGroup(program);
  registerCluster(program);
  registerLog(program);
  registerBench(program);
}
