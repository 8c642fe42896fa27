import { type FamilyRow, families } from "./families.ts";

const introduction = `# Metrics, health and alerts

This page is generated from the families in \`broker/metrics\` by \`node docs/generate-metrics.ts\`; a test keeps it up to date.

## Turning it on

A broker serves nothing of this unless \`metrics.listener\` is set, to an address of its own: \`metrics.listener=http://127.0.0.1:9404\`.
With port 0 it takes a free one, and its log says which (\`serving metrics\`). \`ottla up\` sets it, to port 9404 and the ones after it or
others where those are taken, and prints the addresses; the brokers of \`docker-compose.yml\` have it on port 9404 of their network.

Whoever reaches the listener may read it: names of topics and groups, sizes, rates. There is no TLS and no password; keep it on a network
of your own.

| Path | Answer |
|---|---|
| \`/metrics\` | the metrics below, in the text format of Prometheus; in OpenMetrics 1.0 where the request's \`Accept\` names it |
| \`/healthz\` | 200 as long as the process answers: restart it when this does not come |
| \`/readyz\` | 200 when the broker serves all that it should (below), else 503: before the next broker is restarted, wait for it |

A broker is ready when it is registered, leads what the controller wants it to lead, and is in sync in all that it has a replica of,
apart from what a reassignment brings it or takes away. Both health checks answer in JSON. \`/readyz\` says what is missing: \`start\` (it
opens its logs, or waits for ZooKeeper), \`registration\`, \`metadata\` (the controller has not told it yet what is its), \`leadership\`,
\`replicas\` (on a failed disk, or damaged), \`in-sync\`, \`stopping\`:

\`\`\`json
{"ready":false,"missing":[{"what":"in-sync","message":"12 of 100 replicas are not in sync"}]}
\`\`\`

## What it costs

Less than 1 % of the CPU. In twelve runs 200,000 records of 1 KiB were written to three brokers with acks=all as fast as they took them,
and read back. The six in which each broker was scraped once a second took the brokers 14.60 s of CPU time, the six in between 14.62 s;
single runs took 2.2 to 2.7 s. A broker with nothing else to do took 0.1 to 0.5 % of a core more while it was scraped once a second (60
partitions, 300 series). Counting takes 0.4 microseconds for a Produce request. (Two cores, busy with other work.)

What is counted costs some additions where the work is done; most figures are read where they are kept already, and only when somebody
asks. One answer is made at a time, and is given to everyone who asks within a second. It is made in pieces of about two milliseconds,
between which clients are served. At most 16 connections are open; a request must arrive within 5 seconds and an answer be read within 10,
or the connection is closed. Only GET is answered.

There are series for each topic, and for each pair of a group and a topic. \`ottla.metrics.partitions.enable\` (also at run time) adds
those of each partition: about five for each replica on a broker. A broker tells 200,000 series at most, 32 MiB, of them 20,000 pairs of
groups and topics; what is left out is counted in \`ottla_metrics_dropped_series\`, as is what has a label of more than 255 characters. No
label holds what a client calls itself. The names of topics and groups do come from clients; they are escaped.

`;

const afterwards = `
Of Kafka's names some have no counterpart: there are no request handler threads and no request queue (one event loop does the work; its
delay and its idle time stand for them), no quotas and no log cleaner threads to watch. The time of a request is not
divided into Kafka's parts. Rates are not kept by the broker: ask Prometheus for \`rate(...)\`.

A group's lag is told by the broker that coordinates the group. Where it has no replica of a partition it asks the partition's leader;
what cannot be found out within a second is counted in \`ottla_group_topic_lag_unknown_partitions\`.

## Prometheus and Grafana

[deploy/dashboards](../deploy/dashboards) has a scrape configuration (\`prometheus.yml\`), alert rules (\`alerts.yml\`) and a dashboard
for Grafana (\`grafana/ottla.json\`). They are tested with a real Prometheus: it scrapes a cluster, every query of the dashboard and every
alert has data, and the alerts fire when a broker, ZooKeeper, a group or a disk fails, and resolve when that is mended (minutes made
seconds; Debian's Prometheus 2.42). To look at it with the brokers of \`docker-compose.yml\`:

\`\`\`sh
docker compose --profile monitoring up --build --detach
\`\`\`

Grafana is at http://127.0.0.1:3000 (whoever reaches it may look), Prometheus at http://127.0.0.1:9090; \`OTTLA_GRAFANA_PORT\` and
\`OTTLA_PROMETHEUS_PORT\` move them.

The alerts: a broker that cannot be scraped or is not ready, no controller, partitions without a leader, partitions that refuse acks=all,
under-replicated partitions for five minutes, replicas or log directories that cannot be used, a disk that is 80 % full or takes nothing,
a broker that is not registered, a group whose lag grows for half an hour, an event loop that is busy for more than 90 % of the time, and
memory for clients that is spent.
`;

/** docs/metrics.md, whole. */
export function metricsPage(): string {
  return `${introduction}## The metrics

Those with a name of JMX count or measure what Kafka's metric of that name does, unless the description says otherwise.

${table()}
${afterwards}`;
}

function table(): string {
  const rows = Object.entries<FamilyRow>(families).map(([name, { kind, help, labels, elsewhere }]) => {
    const series = labels.length === 0 ? `\`${name}\`` : `\`${name}\` {${labels.join(", ")}}`;
    return `| ${series} | ${kind} | ${help} | ${elsewhere === null ? "" : jmxCell(elsewhere)} |`;
  });
  return ["| Metric | Type | | In Kafka (JMX) |", "|---|---|---|---|", ...rows].join("\n");
}

/** A name of JMX is code, words around it are not; a bar would end the cell. */
function jmxCell(elsewhere: string): string {
  const [, name = "", words = ""] = /^(\S+:\S+?)(?:,? ([^:]+))?$/.exec(elsewhere) ?? [];
  return name === "" ? elsewhere : `\`${name.replaceAll("|", "\\|")}\`${words === "" ? "" : ` ${words}`}`;
}
