// Cuts, silences, delays, throttles and heals the links of docker-compose.chaos.yml. Needs Node alone, not what npm installs.
import { linksBetween } from "./links/ends.mjs";
import { faults, Toxiproxy } from "./links/toxiproxy.mjs";

const usage = `node deploy/links.mjs                                  what there is
node deploy/links.mjs cut broker2 brokers              closes the connections between broker 2 and the others, refuses new ones
node deploy/links.mjs silence broker2                  lets nothing through on any link of broker 2; its connections stay
node deploy/links.mjs delay 200 brokers zookeepers     milliseconds, each way
node deploy/links.mjs limit 100 broker1 broker3        KB/s, each way
node deploy/links.mjs heal                             all, or those that are named

Ends: broker1..3, brokers, zookeeper1..3, zookeepers, clients. One end means all its links; a new fault replaces the one before.`;

class UsageError extends Error {}

/** What the words ask for: a fault with its number, "heal" or "list", and the links. */
function understand([name = "list", ...words], names) {
  if (name === "list") return { fault: null, links: [] };
  if (name !== "heal" && !Object.hasOwn(faults, name)) throw new UsageError(usage);
  const fault = name === "heal" ? null : faults[name];
  const number = fault?.number ? Number(words.shift()) : null;
  if (number !== null && !(number > 0)) throw new UsageError(`${name} ${fault.number} END [END]`);
  if (fault !== null && words.length === 0) throw new UsageError(`${name}: which links? One or two ends, as in: broker2 brokers`);
  try {
    return { fault, number, links: linksBetween(words, names) };
  } catch (error) {
    throw new UsageError(error.message);
  }
}

function print(links) {
  const width = Math.max(...[...links.keys()].map((name) => name.length));
  // at once: `head` may read no more than the first lines
  process.stdout.write([...links].map(([name, fault]) => `${name.padEnd(width)}  ${fault ?? "-"}\n`).join(""));
}

try {
  const proxy = new Toxiproxy(process.env.OTTLA_LINKS ?? "http://127.0.0.1:8474");
  const words = process.argv.slice(2);
  if (words.includes("--help")) throw new UsageError(usage);
  const { fault, number, links } = understand(words, [...(await proxy.links()).keys()].sort());
  // together, as a cable takes all with it that it carries
  await Promise.all(links.map((link) => (fault === null ? proxy.heal(link) : proxy.disturb(link, fault, number))));
  const now = await proxy.links();
  print(new Map((links.length > 0 ? links : [...now.keys()].sort()).map((name) => [name, now.get(name) ?? null])));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
