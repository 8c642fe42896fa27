// One client in a process of its own: `node client-program.ts ORDER`, the order in JSON. Says its report, a line of JSON.
import type { ClientConsumeOrder, ClientProduceOrder } from "./orders.ts";
import { consumeRun, produceRun } from "./runs.ts";

const order = JSON.parse(process.argv[2] ?? "") as ClientProduceOrder | ClientConsumeOrder;
const report = order.kind === "produce" ? await produceRun(order) : await consumeRun(order);
// some clients leave timers or sockets behind
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
