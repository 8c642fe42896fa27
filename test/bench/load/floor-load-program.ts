// Load for the floor program: `node floor-load-program.ts ORDER`, the order in JSON. Says what `own-load-program.ts` says.
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type FloorOrder, frameHeaderBytes } from "./floor-orders.ts";
import type { OwnEvent } from "./own-orders.ts";

const order = JSON.parse(process.argv[2] ?? "") as FloorOrder;
const say = (event: OwnEvent) => process.stdout.write(`${JSON.stringify(event)}\n`);
const recordsPerFrame = Math.max(1, Math.floor(order.frameBytes / order.recordBytes));
const records = Buffer.alloc(recordsPerFrame * order.recordBytes, "floor");

const socket = connect({ host: "127.0.0.1", port: order.port, noDelay: true });
await once(socket, "connect");
let sent = 0;
let answeredBytes = 0;
const acknowledged = () => Math.floor(answeredBytes / 4);

function sendMore(): void {
  while (sent - acknowledged() < order.framesUnderWay) {
    const header = Buffer.alloc(frameHeaderBytes);
    header.writeUInt32BE(records.length);
    header.writeUInt32BE(++sent, 4);
    socket.write(header);
    socket.write(records);
  }
}

socket.on("data", (chunk) => {
  answeredBytes += chunk.length;
  sendMore();
});
sendMore();
await sleep(order.discardedSeconds * 1000);
say({ event: "measuring" });
const [before, startedMs] = [acknowledged(), performance.now()];
await sleep(order.measuredSeconds * 1000);
const [frames, seconds] = [acknowledged() - before, (performance.now() - startedMs) / 1000];
say({ event: "measured" });
socket.destroy();
const count = frames * recordsPerFrame;
say({ event: "full", report: { records: count, seconds, recordsPerSecond: count / seconds, failed: 0 } });
