// Load by our own client, in a process of its own: `node own-load-program.ts ORDER`, the order in JSON.
import { fullLoad } from "./full-load.ts";
import type { FullOrder, OwnEvent, PacedOrder, ReadOrder, TransactionsOrder } from "./own-orders.ts";
import { PacedLoad } from "./paced-load.ts";
import { readLoad, transactionsLoad } from "./transactions-load.ts";

const order = JSON.parse(process.argv[2] ?? "") as PacedOrder | FullOrder | TransactionsOrder | ReadOrder;
const say = (event: OwnEvent) => process.stdout.write(`${JSON.stringify(event)}\n`);
const said = (event: "measuring" | "measured") => void say({ event });

if (order.kind === "paced") say({ event: "paced", report: await new PacedLoad(order, said).run() });
else if (order.kind === "full") say({ event: "full", report: await fullLoad(order, said) });
else if (order.kind === "transactions") say({ event: "transactions", report: await transactionsLoad(order, said) });
else say({ event: "read", report: await readLoad(order) });
