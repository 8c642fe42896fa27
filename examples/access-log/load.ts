// Bounded load: node load.ts PORT REQUESTS ADDRESSES REQUESTS_PER_SECOND. Each client has an address of its own, 127.0.0.2 and on.
import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const [port = 0, requests = 0, addresses = 1, perSecond = 1] = process.argv.slice(2).map(Number);
const socketsPerAddress = 2;

function request(agent: Agent, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = get({ host: "127.0.0.1", port, path, agent }, (response) => {
      response.resume();
      response.once("end", resolve);
      response.once("error", reject);
    });
    sent.once("error", reject);
  });
}

const startedAtMs = performance.now();
let begun = 0;

async function client(index: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: `127.0.0.${2 + (index % addresses)}` });
  while (begun < requests) {
    const number = begun++;
    const dueAtMs = startedAtMs + (number * 1000) / perSecond;
    if (dueAtMs > performance.now() + 1) await sleep(dueAtMs - performance.now());
    await request(agent, `/page/${number}?by=${index}`);
  }
  agent.destroy();
}

await Promise.all(Array.from({ length: addresses * socketsPerAddress }, (_, index) => client(index)));
console.log(`${requests} requests from ${addresses} addresses in ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
