import type { BrokerId } from "../../../protocol/base/ids.ts";
import { formatCount } from "../../output/units.ts";
import { brokerNames, type Facts, knownOf, type Settings, whyOfSome } from "../facts.ts";
import { type Checked, type Finding, findingIf } from "../finding.ts";

const check = "broker-settings";

/** Those that are meant to be a broker's own. */
const own: ReadonlySet<string> = new Set([
  "advertised.host.name",
  "advertised.listeners",
  "advertised.port",
  "broker.id",
  "broker.rack",
  "follower.replication.throttled.rate",
  "host.name",
  "leader.replication.throttled.rate",
  "listeners",
  "log.dir",
  "log.dirs",
  "metadata.log.dir",
  "metrics.listener",
  "node.id",
  "ottla.log.file",
  "port",
]);

export function checkBrokerSettings(facts: Facts): Checked {
  const known = knownOf(facts.settings);
  return {
    findings: [...temporary(known), ...automatic(known), ...different(known), ...versions(facts)],
    unchecked: whyOfSome("settings", facts.settings),
  };
}

type KnownSettings = readonly (readonly [BrokerId, Settings])[];

function textOf(settings: Settings, name: string): string {
  return settings.get(name)?.value ?? "";
}

function temporary(known: KnownSettings): readonly Finding[] {
  const some = known.flatMap(([id, settings]) => {
    const directories = [...textOf(settings, "log.dirs").split(","), textOf(settings, "log.dir")];
    const first = directories.map((each) => each.trim()).find((each) => /^\/(var\/)?tmp(\/|$)/.test(each));
    return first === undefined ? [] : [`broker ${id} (${first})`];
  });
  return findingIf(check, "warning", some, (count) => ({
    what: `${formatCount(count, "broker")} with data below /tmp`,
    why: "systems empty it, at a restart at the latest",
    advice: "stop the broker, move the directory elsewhere, change log.dirs in its server.properties, and start it again",
  }));
}

function automatic(known: KnownSettings): readonly Finding[] {
  const on = known.filter(([, settings]) => textOf(settings, "auto.create.topics.enable") === "true").map(([id]) => id);
  return findingIf(check, "note", brokerNames(on), () => ({
    what: "topics are made on their first mention (auto.create.topics.enable)",
    why: "a name with a slip in it becomes a topic, with as many partitions as num.partitions says",
    advice: "on clusters that matter set it to false in each broker's server.properties",
  }));
}

function different(known: KnownSettings): readonly Finding[] {
  const names = new Set(known.flatMap(([, settings]) => [...settings.values()].filter(isSet).map(({ name }) => name)));
  const differing = [...names]
    .filter((name) => !own.has(name))
    .flatMap((name) => {
      const values = known.filter(([, settings]) => settings.has(name)).map(([id, settings]) => ({ id, value: textOf(settings, name) }));
      if (new Set(values.map(({ value }) => value)).size < 2) return [];
      const groups = [...Map.groupBy(values, ({ value }) => value)].map(
        ([value, some]) => `${value || "nothing"} on ${some.map(({ id }) => id).join(", ")}`,
      );
      return [`${name} (${groups.join("; ")})`];
    });
  return findingIf(check, "warning", differing.sort(), (count) => ({
    what: `${formatCount(count, "setting")} that ${count === 1 ? "differs" : "differ"} between brokers`,
    why: "the same partition behaves differently with each leader",
    commands: ["ottla cluster describe --configs"],
  }));
}

/** A secret has no value, and cannot be compared. */
function isSet({ source, isSensitive }: { readonly source: string; readonly isSensitive: boolean }): boolean {
  return (source === "static-broker" || source === "dynamic-broker") && !isSensitive;
}

/** Brokers of the same version understand the same requests. */
function versions({ probes }: Facts): readonly Finding[] {
  const known = [...probes].flatMap(([id, { versions: served }]) => (served === null ? [] : [{ id, served: served.join(" ") }]));
  const groups = [...Map.groupBy(known, ({ served }) => served).values()];
  if (groups.length < 2) return [];
  const [most = [], ...others] = groups.toSorted((a, b) => b.length - a.length);
  return findingIf("versions", "warning", brokerNames(others.flat().map(({ id }) => id)), (count) => ({
    what: `${formatCount(count, "broker")} of another version than the other ${most.length}, by the requests that they understand`,
    why: "an upgrade was not finished: the cluster is as capable as its oldest broker",
    advice: "finish it",
  }));
}
