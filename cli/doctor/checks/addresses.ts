import { formatAddress } from "../../../protocol/base/transport.ts";
import { formatCount } from "../../output/units.ts";
import { type Facts, knownOf } from "../facts.ts";
import { type Checked, type Finding, finding, findingIf } from "../finding.ts";

const check = "addresses";

/** Whether clients from here reach what the brokers name. */
export function checkAddresses(facts: Facts): Checked {
  const { brokers, probes, bootstrap } = facts;
  const listener = listenerOf(facts);
  const unreached = brokers.flatMap(({ id }) => {
    const probe = probes.get(id);
    return probe === undefined || probe.trouble === null ? [] : [`broker ${id} (${probe.address} ${probe.trouble})`];
  });
  const findings: readonly Finding[] = [
    ...findingIf(check, "error", unreached, (count) => ({
      what: `${formatCount(count, "broker")} cannot be reached from here at the advertised address${listener === null ? "" : ` (listener ${listener})`}`,
      why: "clients are sent there for every partition that these brokers lead, whichever address they begin with",
      advice: `see that the broker runs, and that its advertised.listeners in its server.properties has a name and port that resolve and connect from here; then restart it`,
      commands: ["ottla cluster describe"],
    })),
    ...sharedAddresses(facts),
    ...impostors(facts),
    ...findingIf(
      check,
      "warning",
      bootstrap.filter(({ trouble }) => trouble !== null).map(({ address, trouble }) => `${address} ${trouble}`),
      (count) => ({
        what: `${formatCount(count, "bootstrap address", "bootstrap addresses")} given to this command ${count === 1 ? "does" : "do"} not answer`,
        why: "others do, so the cluster was found; a client that begins with this one alone finds nothing",
      }),
    ),
  ];
  return { findings, unchecked: [] };
}

/** The listener that this client came in by, by its name; null: no broker says. All brokers answer with addresses of the same one. */
export function listenerOf({ brokers, settings }: Facts): string | null {
  for (const [id, known] of knownOf(settings)) {
    const broker = brokers.find((each) => each.id === id);
    const lists = ["advertised.listeners", "listeners"].flatMap((name) => (known.get(name)?.value ?? "").split(","));
    for (const [, name = "", host, port] of lists.map((text) => /^\s*([\w-]+):\/\/(.*):(\d+)\s*$/.exec(text) ?? []))
      if (broker !== undefined && host?.replaceAll(/[[\]]/g, "") === broker.host && Number(port) === broker.port) return name;
  }
  return null;
}

function sharedAddresses({ brokers }: Facts): readonly Finding[] {
  const shared = [...Map.groupBy(brokers, formatAddress)].filter(([, some]) => some.length > 1);
  return findingIf(
    check,
    "error",
    shared.map(([address, some]) => `${address} (brokers ${some.map(({ id }) => id).join(", ")})`),
    () => ({
      what: "several brokers advertise the same address",
      why: "clients reach one of them where they want another, and are refused",
      advice: "give each its own advertised.listeners",
    }),
  );
}

/** An answer of a broker that it is another one: 127.0.0.1, or a forwarded port, is not the same machine for everybody. */
function impostors({ settings, probes }: Facts): readonly Finding[] {
  const wrong = [...settings].flatMap(([id, { why }]) => {
    const [, other] = /This is broker (\d+)/.exec(why ?? "") ?? [];
    return other === undefined ? [] : [{ id, other }];
  });
  return wrong.map(({ id, other }) =>
    finding(check, "error", {
      what: `at the address of broker ${id} broker ${other} answers`,
      where: [`broker ${id} (${probes.get(id)?.address ?? "-"})`],
      why: "clients that want the one talk to the other, and are refused",
      advice: `mend advertised.listeners of broker ${id}, or the forwarding of its port`,
    }),
  );
}
