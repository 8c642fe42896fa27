import type { Container, PodSpec } from "kubernetes-types/core/v1.js";

/** One pod of a StatefulSet, as far as its containers can see it. */
export interface Pod {
  readonly statefulSet: string;
  readonly ordinal: number;
  readonly namespace: string;
  readonly node: string;
}

export const podName = ({ statefulSet, ordinal }: Pod) => `${statefulSet}-${ordinal}`;

/** What Kubernetes (1.28 and later) fills in where a field of the pod is named. */
function fieldOf(pod: Pod, path: string): string {
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": podName(pod),
    "metadata.namespace": pod.namespace,
    "metadata.labels['apps.kubernetes.io/pod-index']": `${pod.ordinal}`,
    "spec.nodeName": pod.node,
  };
  const value = fields[path];
  if (value === undefined) throw new Error(`no such field of a pod: ${path}`);
  return value;
}

/** A container's environment: fields filled in, and `$(NAME)` of what stands before it. */
export function environmentOf(container: Container, pod: Pod): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env ?? []) {
    const path = valueFrom?.fieldRef?.fieldPath;
    const text = path === undefined ? (value ?? "") : fieldOf(pod, path);
    environment[name] = text.replaceAll(/\$\((\w+)\)/g, (whole, other: string) => environment[other] ?? whole);
  }
  return environment;
}

export function containerOf(spec: PodSpec, name: string): Container {
  const found = [...(spec.initContainers ?? []), ...spec.containers].find((one) => one.name === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}

/** A port by its name or number. */
export function portOf(container: Container, port: string | number): number {
  const found = container.ports?.find(({ name, containerPort }) => name === port || containerPort === port);
  if (found === undefined) throw new Error(`container ${container.name} has no port ${port}`);
  return found.containerPort;
}

/** `512Mi` in bytes. */
export function quantityBytes(text: string): number {
  const [, number = "", unit = ""] = /^(\d+)(Ki|Mi|Gi|Ti)?$/.exec(text) ?? [];
  if (number === "") throw new Error(`not a quantity of bytes: ${text}`);
  return Number(number) * 1024 ** ["", "Ki", "Mi", "Gi", "Ti"].indexOf(unit);
}
