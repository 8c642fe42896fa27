import type { ClientDiagnostic, ClientEventName, ClientIdentity } from "./client-event-map.ts";
import type { EventChannel } from "./client-events.ts";
import type { ClientRuntime } from "./client-runtime.ts";

/** `ottla:client:<event>`: the events of all clients of the process. */
const diagnosticsPrefix = "ottla:client:";

/** The channels on which this client publishes; null: nobody can observe. */
export function channelsOf(runtime: ClientRuntime, client: ClientIdentity): (event: ClientEventName) => EventChannel | null {
  return (name) => {
    const channel = runtime.diagnostics?.(`${diagnosticsPrefix}${name}`);
    if (channel === undefined) return null;
    return {
      get hasSubscribers() {
        return channel.hasSubscribers;
      },
      publish: (event) => channel.publish({ client, event } satisfies ClientDiagnostic),
    };
  };
}
