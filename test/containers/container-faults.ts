import { waitUntil } from "../support/wait-until.ts";
import { docker } from "./compose-cluster.ts";

/** Something that befalls a broker's container until it is taken back. */
export interface ContainerFault {
  readonly name: string;
  begin(container: string): Promise<unknown>;
  end(container: string): Promise<unknown>;
}

const kill: ContainerFault = {
  name: "is killed",
  begin: (container) => docker("kill", "--signal", "KILL", container),
  end: (container) => docker("start", container),
};

/** A busy process may escape the kernel's freezer ("unable to freeze"); docker has let it run on then. */
const pauseMaxMs = 10_000;

const pause: ContainerFault = {
  name: "is paused",
  begin: (container) => waitUntil("docker to pause a container", () => docker("pause", container), { timeoutMs: pauseMaxMs }),
  end: (container) => docker("unpause", container),
};

/** Of its network, and so of the host too: its published port leads nowhere meanwhile. It may come back with another address. */
function disconnect(network: string, hostname: (container: string) => Promise<string>): ContainerFault {
  return {
    name: "is taken off the network",
    begin: (container) => docker("network", "disconnect", network, container),
    // docker forgets the name that compose gave it in this network
    end: async (container) => docker("network", "connect", "--alias", await hostname(container), network, container),
  };
}

export function containerFaults(network: string): readonly ContainerFault[] {
  return [kill, pause, disconnect(network, (container) => docker("inspect", "--format", "{{.Config.Hostname}}", container))];
}
