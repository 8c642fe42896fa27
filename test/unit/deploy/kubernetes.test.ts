import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Container } from "kubernetes-types/core/v1.js";
import type { LabelSelector } from "kubernetes-types/meta/v1.js";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { tooLittleMemory } from "../../../broker/assembly/shares.ts";
import { parseProperties } from "../../../broker/runtime/config/properties.ts";
import { readConfig } from "../../../broker/runtime/config/read-config.ts";
import {
  baseText,
  kubernetesFolder,
  kustomization,
  type Manifest,
  Manifests,
  noKustomize,
  overlays,
} from "../../support/kubernetes/manifests.ts";
import { containerOf, environmentOf, portOf, quantityBytes } from "../../support/kubernetes/pod.ts";
import { runToSuccess } from "../../support/outside/run-command.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";

const base = Manifests.base();
const controlledShutdownMaxSeconds = 30;
const sets = ["ottla", "ottla-zookeeper"] as const;
const modules = fileURLToPath(new URL("../../../node_modules/", import.meta.url));

const labelsOf = (set: string) => base.get("StatefulSet", set).spec?.template.metadata?.labels ?? {};
const selects = ({ matchLabels = {} }: LabelSelector, labels: Readonly<Record<string, string>>) =>
  Object.entries(matchLabels).every(([name, value]) => labels[name] === value);
/** The StatefulSets whose pods are meant. */
const selected = (selector: LabelSelector | undefined) => sets.filter((set) => selector !== undefined && selects(selector, labelsOf(set)));
const mainContainer = (set: string) => base.podSpec(set).containers[0] as Container;
const podNames = (set: string) => {
  const { replicas = 0, ordinals } = base.get("StatefulSet", set).spec ?? {};
  return Array.from({ length: replicas }, (_, i) => `${set}-${i + (ordinals?.start ?? 0)}`);
};

/**
 * The types of `kubernetes-types` are made from Kubernetes' own OpenAPI schema. An object that is assigned to one as it stands, `as const`,
 * may have no property that the schema does not have, none of another type, and must have what is required.
 */
async function schemaProblems(objects: readonly Manifest[]): Promise<string> {
  const folder = await makeTestFolder("kubernetes");
  try {
    const lines = objects.map((object, i) => {
      const group = object.apiVersion.includes("/") ? object.apiVersion.replace(/(\.[\w.]+)?\/.*/, "") : "core";
      const version = object.apiVersion.split("/").at(-1);
      const type = `import(${JSON.stringify(`${modules}kubernetes-types/${group.replace(/^rbac.*/, "rbac")}/${version}`)}).${object.kind}`;
      return `export const object${i}: ${type} = ${JSON.stringify(object, null, 1)};\n`;
    });
    await writeFile(join(folder, "objects.ts"), lines.join(""));
    const options = [
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--types",
      "",
      "--module",
      "esnext",
      "--moduleResolution",
      "bundler",
    ];
    await runToSuccess(process.execPath, [join(modules, "typescript/bin/tsc"), ...options, join(folder, "objects.ts")]);
    return "";
  } catch (error) {
    return (error as Error).message;
  } finally {
    await removeTestFolder(folder);
  }
}

describe("base", () => {
  test("kustomization.yaml names every file there is", () => {
    const { resources, configMapGenerator = [] } = kustomization("base");
    const named = ["kustomization.yaml", ...resources, ...configMapGenerator.flatMap(({ files }) => files)];
    expect(named.toSorted()).toEqual(readdirSync(`${kubernetesFolder}base`).toSorted());
  });

  test("every object is as Kubernetes' schema has it", async () => {
    expect(await schemaProblems(base.all)).toBe("");
    const [wrong] = base.ofKind("StatefulSet").map((set) => ({ ...set, spec: { ...set.spec, podManagmentPolicy: "Parallel" } }));
    expect(await schemaProblems([wrong as unknown as Manifest]), "it finds a word that is misspelt").toContain("podManagmentPolicy");
  });

  test("selectors mean the pods that they should", () => {
    for (const set of sets) {
      const spec = base.get("StatefulSet", set).spec;
      expect(selected(spec?.selector)).toEqual([set]);
      expect(selected(base.get("PodDisruptionBudget", set).spec?.selector)).toEqual([set]);
      expect(selected(base.get("NetworkPolicy", set).spec?.podSelector)).toEqual([set]);
      const { affinity, topologySpreadConstraints = [] } = spec?.template.spec ?? {};
      const apart = affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
      expect(apart.map(({ labelSelector }) => selected(labelSelector))).toEqual([[set]]);
      expect(topologySpreadConstraints.map(({ labelSelector }) => selected(labelSelector))).toEqual([[set]]);
      expect(base.get("Service", spec?.serviceName ?? "").spec?.clusterIP, "its pods have names of their own").toBe("None");
    }
    const services = base.ofKind("Service").map(({ metadata, spec }) => [metadata?.name, selected({ matchLabels: spec?.selector ?? {} })]);
    expect(Object.fromEntries(services)).toEqual({
      "ottla-brokers": ["ottla"],
      "ottla-bootstrap": ["ottla"],
      "ottla-zookeeper": ["ottla-zookeeper"],
    });
    const [brokersOnly] = base.get("NetworkPolicy", "ottla").spec?.ingress?.slice(1) ?? [];
    expect(brokersOnly?.from?.map(({ podSelector }) => selected(podSelector))).toEqual([["ottla"]]);
  });

  test("ports that are named exist", () => {
    for (const { spec } of base.ofKind("Service")) {
      const [set = ""] = selected({ matchLabels: spec?.selector ?? {} });
      for (const { port, targetPort } of spec?.ports ?? []) expect(portOf(mainContainer(set), targetPort ?? port)).toBe(port);
    }
    for (const { spec } of base.ofKind("NetworkPolicy")) {
      const [set = ""] = selected(spec?.podSelector);
      for (const { port = 0 } of spec?.ingress?.flatMap(({ ports = [] }) => ports) ?? []) portOf(mainContainer(set), port);
    }
    const { readinessProbe, livenessProbe } = mainContainer("ottla");
    for (const probe of [readinessProbe, livenessProbe]) expect(portOf(mainContainer("ottla"), probe?.httpGet?.port ?? "")).toBe(9404);
  });

  test("volumes that are mounted exist, and the ConfigMaps have the files that are read", () => {
    const made = new Map((kustomization("base").configMapGenerator ?? []).map(({ name, files }) => [name, files]));
    for (const set of sets) {
      const { volumeClaimTemplates = [], template } = base.get("StatefulSet", set).spec ?? {};
      const { volumes = [], containers = [], initContainers = [] } = template?.spec ?? {};
      const there = [...volumes.map(({ name }) => name), ...volumeClaimTemplates.map(({ metadata }) => metadata?.name)];
      const mounts = [...initContainers, ...containers].flatMap(({ volumeMounts = [] }) => volumeMounts);
      expect([...new Set(mounts.map(({ name }) => name))].toSorted()).toEqual(there.toSorted());
      for (const { configMap } of volumes) if (configMap?.name !== undefined) expect(made.keys()).toContain(configMap.name);
    }
    const { command = [] } = containerOf(base.podSpec("ottla"), "zone-as-rack");
    expect(command.slice(1, 3).map((path) => path.replace("/etc/ottla/", ""))).toEqual(made.get("ottla-config")?.toReversed());
    expect(containerOf(base.podSpec("ottla"), "broker").args?.at(-1)).toBe(command.at(-1));
  });

  test("a broker's settings are known, and are its pod's", () => {
    const pod = { statefulSet: "ottla", ordinal: 2, namespace: "elsewhere", node: "n" };
    const environment = environmentOf(mainContainer("ottla"), pod);
    const { settings, warnings } = readConfig({ fileText: baseText("server.properties"), environment, overrides: [], hostname: "h" });
    expect(warnings).toEqual([]);
    expect(settings.brokerId).toBe(2);
    expect(settings.logDirectories).toEqual(["/var/lib/ottla/logs"]);
    const { client, peer } = settings.listeners;
    const host = "ottla-2.ottla-brokers.elsewhere.svc";
    const port = (name: string) => portOf(mainContainer("ottla"), name);
    expect(client.map(({ advertised }) => advertised)).toMatchObject([{ host, port: port("client") }]);
    expect(peer.advertised).toMatchObject({ host, port: port("peer") });
    expect([...client, peer].map(({ bind }) => bind.port)).toEqual([port("client"), port("peer")]);
    expect(settings.monitoring.listener).toMatchObject({ host: "0.0.0.0", port: port("metrics") });
    const annotations = base.get("StatefulSet", "ottla").spec?.template.metadata?.annotations;
    expect(annotations).toMatchObject({ "prometheus.io/port": `${port("metrics")}`, "prometheus.io/path": "/metrics" });
  });

  test("ZooKeeper's servers are its pods, for the brokers and for each other", () => {
    const hosts = podNames("ottla-zookeeper").map((name) => `${name}.ottla-zookeeper`);
    const connect = parseProperties(baseText("server.properties")).get("zookeeper.connect");
    expect(connect).toBe(`${hosts.map((host) => `${host}:2181`).join(",")}/ottla`);
    const servers = [...parseProperties(baseText("zoo.cfg"))].filter(([name]) => name.startsWith("server."));
    expect(servers).toEqual(hosts.map((host, i) => [`server.${i + 1}`, `${host}:2888:3888;2181`]));
    const ids = hosts.map((_, i) =>
      environmentOf(mainContainer("ottla-zookeeper"), { statefulSet: "ottla-zookeeper", ordinal: i + 1, namespace: "n", node: "n" }),
    );
    expect(ids.map(({ ZOO_MY_ID }) => ZOO_MY_ID)).toEqual(["1", "2", "3"]);
  });

  test("all start at once, one at a time may go, and there is time for that", () => {
    for (const set of sets) {
      expect(base.get("StatefulSet", set).spec?.podManagementPolicy).toBe("Parallel");
      expect(base.get("PodDisruptionBudget", set).spec?.maxUnavailable).toBe(1);
      expect(base.podSpec(set).enableServiceLinks, "a variable OTTLA_… would be taken for a setting").toBe(false);
    }
    expect(base.podSpec("ottla").terminationGracePeriodSeconds).toBeGreaterThan(2 * controlledShutdownMaxSeconds);
    for (const name of ["ottla-brokers", "ottla-zookeeper"])
      expect(base.get("Service", name).spec?.publishNotReadyAddresses, "who is not ready needs the others for it").toBe(true);
    expect(base.get("Service", "ottla-bootstrap").spec?.publishNotReadyAddresses ?? false).toBe(false);
  });

  test("nobody may more than needed", () => {
    for (const set of sets) {
      const { securityContext, automountServiceAccountToken, containers, initContainers = [] } = base.podSpec(set);
      expect(securityContext).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 1000,
        fsGroup: 1000,
        seccompProfile: { type: "RuntimeDefault" },
      });
      expect(automountServiceAccountToken).toBe(false);
      for (const { securityContext, resources } of [...initContainers, ...containers]) {
        expect(securityContext).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } });
        expect(resources?.limits?.memory).toBe(resources?.requests?.memory);
      }
    }
    expect(base.get("ClusterRole", "ottla-node-zones").rules).toEqual([{ apiGroups: [""], resources: ["nodes"], verbs: ["get"] }]);
    const { roleRef, subjects = [] } = base.get("ClusterRoleBinding", "ottla-node-zones");
    expect(roleRef.name).toBe("ottla-node-zones");
    expect(subjects.map(({ name }) => name)).toEqual([base.podSpec("ottla").serviceAccountName]);
    const token = mainContainer("ottla").volumeMounts?.find(({ name }) => name === "kubernetes-api");
    expect(token, "only the init container has it").toBeUndefined();
  });

  test("the images are those of docker-compose.yml", () => {
    const compose = parse(readFileSync(join(kubernetesFolder, "../../docker-compose.yml"), "utf8"), { merge: true }) as {
      readonly services: Readonly<Record<string, { readonly image: string }>>;
    };
    expect(mainContainer("ottla").image).toBe(compose.services.broker1?.image);
    expect(mainContainer("ottla-zookeeper").image).toBe(compose.services.zookeeper1?.image);
  });
});

describe.skipIf(noKustomize !== "")(`overlays${noKustomize}`, () => {
  test.each(overlays)("%s is as Kubernetes' schema has it, and fits its memory", async (overlay) => {
    const manifests = await Manifests.rendered(overlay);
    const names = ({ all }: Manifests) =>
      all.filter(({ kind }) => kind !== "ConfigMap").map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(names(manifests).toSorted()).toEqual(names(base).toSorted());
    expect(await schemaProblems(manifests.all)).toBe("");
    expect(manifests.get("ClusterRoleBinding", "ottla-node-zones").subjects?.[0]?.namespace).toBe("ottla");
    for (const { kind, metadata } of manifests.all)
      expect([metadata.name, metadata.namespace ?? ""]).toEqual([metadata.name, kind.startsWith("Cluster") ? "" : "ottla"]);
    const spec = manifests.podSpec("ottla");
    const made = manifests.all.filter(({ kind }) => kind === "ConfigMap").map(({ metadata }) => metadata.name);
    const used = sets.flatMap((set) => manifests.podSpec(set).volumes?.flatMap(({ configMap }) => configMap?.name ?? []) ?? []);
    expect(used.toSorted(), "a change of the settings restarts the pods").toEqual(made.toSorted());
    const [container = mainContainer("ottla")] = spec.containers;
    const pod = { statefulSet: "ottla", ordinal: 1, namespace: "ottla", node: "n" };
    const { settings } = readConfig({
      fileText: baseText("server.properties"),
      environment: environmentOf(container, pod),
      overrides: [],
      hostname: "h",
    });
    expect(tooLittleMemory(settings, quantityBytes(`${container.resources?.limits?.memory}`))).toBe(null);
  });

  test("an overlay of your own: another namespace everywhere, and other settings", async () => {
    const folder = realpathSync(await makeTestFolder("overlay"));
    try {
      const generated = { name: "ottla-config", behavior: "merge", files: ["server.properties"] };
      const three = relative(folder, `${kubernetesFolder}overlays/three-zones`);
      await writeFile(
        join(folder, "kustomization.yaml"),
        stringify({ namespace: "elsewhere", resources: [three], configMapGenerator: [generated] }),
      );
      await writeFile(join(folder, "server.properties"), `${baseText("server.properties")}log.retention.hours=24\n`);
      const manifests = await Manifests.rendered(folder);
      expect([...new Set(manifests.all.map(({ metadata }) => metadata.namespace))].toSorted()).toEqual(["elsewhere", undefined]);
      const { subjects = [] } = manifests.get("ClusterRoleBinding", "ottla-node-zones");
      expect(subjects.map(({ namespace }) => namespace)).toEqual(["elsewhere"]);
      const { volumes = [] } = manifests.podSpec("ottla");
      const { data = {} } = manifests.get("ConfigMap", volumes.find(({ name }) => name === "config")?.configMap?.name ?? "");
      expect(data["server.properties"]).toContain("log.retention.hours=24");
      expect(data["zone-as-rack.mjs"]).toBe(baseText("zone-as-rack.mjs"));
    } finally {
      await removeTestFolder(folder);
    }
  });

  test("three-zones has every zone taken, small has room on one node", async () => {
    const [zones, small] = [await Manifests.rendered("three-zones"), await Manifests.rendered("small")];
    for (const set of sets) {
      const [spread] = zones.podSpec(set).topologySpreadConstraints ?? [];
      expect(spread).toMatchObject({
        topologyKey: "topology.kubernetes.io/zone",
        whenUnsatisfiable: "DoNotSchedule",
        maxSkew: 1,
        minDomains: 3,
      });
      expect(small.podSpec(set).affinity).toBeUndefined();
    }
  });
});
