import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** How a packet is refused: `silent`, it vanishes; `reset`, its sender's connection is reset; `lossy`, three in ten vanish. */
export type CutManner = "silent" | "reset" | "lossy";

/** Seen from the node at which it is made. */
export type CutDirection = "both" | "in" | "out";

export interface Cut {
  /** The node that enforces it, with rules in its own namespace: what it means happens at one moment. */
  readonly at: string;
  readonly from: readonly string[];
  readonly direction: CutDirection;
  readonly manner: CutManner;
}

/** One machine of the network, as far as its processes can tell. */
export interface NetworkNode {
  readonly name: string;
  readonly address: string;
  /** Before a command, so that it runs there. */
  readonly prefix: readonly string[];
}

export interface Network {
  /** Null when links can be cut; otherwise why not. */
  readonly cannotCut: string | null;
  /** The clients are there. */
  readonly outside: string;
  node(name: string): NetworkNode;
  cut(cut: Cut): Promise<() => Promise<void>>;
  /** What leaves and reaches the node passes at so many kilobits a second. */
  slow(name: string, kilobits: number): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

const lossProbability = 0.3;
const bridge = "chaos";
const outsideAddress = "10.77.0.254";

/** Where nothing can be cut: every node has an address of its own on the loopback interface. */
export function plainNetwork(names: readonly string[], cannotCut: string): Network {
  const nodes = new Map(names.map((name, index) => [name, { name, address: `127.77.0.${index + 1}`, prefix: [] }]));
  const refuse = () => Promise.reject(new Error(cannotCut));
  return { cannotCut, outside: "outside", node: (name) => known(nodes, name), cut: refuse, slow: refuse, close: async () => {} };
}

/** Every node in a network namespace of its own, all attached to one bridge in ours. For a run that has its own (`own-namespaces`). */
export async function cuttableNetwork(names: readonly string[]): Promise<Network> {
  await run("ip", ["link", "set", "lo", "up"]);
  await run("ip", ["link", "add", bridge, "type", "bridge"]);
  await run("ip", ["addr", "add", `${outsideAddress}/24`, "dev", bridge]);
  await run("ip", ["link", "set", bridge, "up"]);
  const machines = new Map<string, Machine>();
  for (const [index, name] of names.entries()) machines.set(name, await Machine.attach(name, index + 1));
  return new CuttableNetwork(machines);
}

class CuttableNetwork implements Network {
  readonly cannotCut = null;
  readonly outside = "outside";
  readonly #machines: ReadonlyMap<string, Machine>;
  readonly #cuts = new Set<Cut>();

  constructor(machines: ReadonlyMap<string, Machine>) {
    this.#machines = machines;
  }

  node(name: string): Machine {
    return known(this.#machines, name);
  }

  async cut(cut: Cut): Promise<() => Promise<void>> {
    this.#cuts.add(cut);
    await this.#enforceAt(cut.at);
    return async () => {
      if (this.#cuts.delete(cut)) await this.#enforceAt(cut.at);
    };
  }

  async slow(name: string, kilobits: number): Promise<() => Promise<void>> {
    const { prefix, outerLink, innerLink } = this.node(name);
    const limit = ["root", "tbf", "rate", `${kilobits}kbit`, "burst", "16kb", "latency", "400ms"];
    await run("tc", ["qdisc", "replace", "dev", outerLink, ...limit]);
    await run(prefix[0] ?? "", [...prefix.slice(1), "tc", "qdisc", "replace", "dev", innerLink, ...limit]);
    return async () => {
      await run("tc", ["qdisc", "del", "dev", outerLink, "root"]);
      await run(prefix[0] ?? "", [...prefix.slice(1), "tc", "qdisc", "del", "dev", innerLink, "root"]);
    };
  }

  async close(): Promise<void> {
    for (const machine of this.#machines.values()) machine.detach();
    await run("ip", ["link", "del", bridge]);
  }

  /** All rules of a node are replaced in one transaction, also those that stay. */
  async #enforceAt(at: string): Promise<void> {
    const { prefix } = this.node(at);
    const rules = [...this.#cuts].filter((cut) => cut.at === at).flatMap((cut) => this.#rulesOf(cut));
    const table = ["*filter", ":INPUT ACCEPT", ":OUTPUT ACCEPT", ...rules, "COMMIT", ""].join("\n");
    await run(prefix[0] ?? "", [...prefix.slice(1), "iptables-restore"], table);
  }

  #rulesOf({ from, direction, manner }: Cut): string[] {
    return from
      .map((name) => (name === this.outside ? outsideAddress : this.node(name).address))
      .flatMap((address) => [
        ...(direction === "out" ? [] : [`-A INPUT -s ${address} ${verdicts[manner]}`]),
        ...(direction === "in" ? [] : [`-A OUTPUT -d ${address} ${verdicts[manner]}`]),
      ]);
  }
}

/** A reset that we cause leaves through the same rules, and must not be refused in turn. */
const verdicts: Readonly<Record<CutManner, string>> = {
  silent: "-j DROP",
  reset: "-p tcp -m tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset",
  lossy: `-m statistic --mode random --probability ${lossProbability} -j DROP`,
};

/** A namespace that a waiting process keeps alive, with one link to the bridge. */
class Machine implements NetworkNode {
  readonly name: string;
  readonly address: string;
  readonly prefix: readonly string[];
  readonly innerLink = "eth0";
  readonly outerLink: string;
  readonly #keeper: ChildProcess;

  private constructor(name: string, index: number, keeper: ChildProcess) {
    this.name = name;
    this.address = `10.77.0.${index}`;
    this.outerLink = `chaos${index}`;
    this.prefix = ["nsenter", `--net=/proc/${keeper.pid}/ns/net`];
    this.#keeper = keeper;
  }

  static async attach(name: string, index: number): Promise<Machine> {
    const keeper = spawn("unshare", ["--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(keeper.stdout, "data");
    const machine = new Machine(name, index, keeper);
    const { outerLink, innerLink, address, prefix } = machine;
    await run("ip", ["link", "add", outerLink, "type", "veth", "peer", "name", innerLink, "netns", String(keeper.pid)]);
    await run("ip", ["link", "set", outerLink, "master", bridge, "up"]);
    await run(prefix[0] ?? "", [...prefix.slice(1), "ip", "addr", "add", `${address}/24`, "dev", innerLink]);
    await run(prefix[0] ?? "", [...prefix.slice(1), "ip", "link", "set", innerLink, "up"]);
    return machine;
  }

  detach(): void {
    this.#keeper.stdin?.destroy();
  }
}

function known<T>(nodes: ReadonlyMap<string, T>, name: string): T {
  const node = nodes.get(name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
}

async function run(command: string, args: readonly string[], input = ""): Promise<void> {
  const child = spawn(command, args, { stdio: ["pipe", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    complaint += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")} failed (${code}): ${complaint.trim()}`);
}
