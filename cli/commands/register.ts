import type { Command } from "commander";
import { registerBench } from "./bench.ts";
import { registerBroker } from "./broker.ts";
import { registerCluster } from "./cluster.ts";
import { registerConsume } from "./consume.ts";
import { registerGroup } from "./group.ts";
import { registerLog } from "./log.ts";
import { registerProduce } from "./produce.ts";
import { registerTopic } from "./topic.ts";
import { registerUp } from "./up.ts";

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
