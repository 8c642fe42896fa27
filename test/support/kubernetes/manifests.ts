import { readdirSync, readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import type { StatefulSet } from "kubernetes-types/apps/v1.js";
import type { ConfigMap, PodSpec, Service } from "kubernetes-types/core/v1.js";
import type { NetworkPolicy } from "kubernetes-types/networking/v1.js";
import type { PodDisruptionBudget } from "kubernetes-types/policy/v1.js";
import type { ClusterRole, ClusterRoleBinding } from "kubernetes-types/rbac/v1.js";
import { parse, parseAllDocuments } from "yaml";
import { hasCommand, runToSuccess } from "../outside/run-command.ts";

interface Kinds {
  readonly ConfigMap: ConfigMap;
  readonly StatefulSet: StatefulSet;
  readonly Service: Service;
  readonly PodDisruptionBudget: PodDisruptionBudget;
  readonly NetworkPolicy: NetworkPolicy;
  readonly ClusterRole: ClusterRole;
  readonly ClusterRoleBinding: ClusterRoleBinding;
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface Kustomization {
  readonly resources: readonly string[];
  readonly namespace?: string;
  readonly images?: readonly { readonly name: string }[];
  readonly replicas?: readonly { readonly name: string; readonly count: number }[];
  readonly configMapGenerator?: readonly { readonly name: string; readonly files: readonly string[] }[];
}

export const kubernetesFolder = fileURLToPath(new URL("../../../deploy/kubernetes/", import.meta.url));
export const overlays = readdirSync(`${kubernetesFolder}overlays`).sort();

export const baseText = (name: string) => readFileSync(`${kubernetesFolder}base/${name}`, "utf8");

/** `path`: from deploy/kubernetes, such as `overlays/small`. */
export function kustomization(path: string): Kustomization {
  return parse(readFileSync(`${kubernetesFolder}${path}/kustomization.yaml`, "utf8")) as Kustomization;
}

/** Objects as they would be applied. A key that occurs twice is an error. */
export class Manifests {
  readonly all: readonly Manifest[];

  private constructor(texts: readonly string[]) {
    this.all = texts.flatMap((text) =>
      parseAllDocuments(text).map((document) => {
        for (const problem of [...document.errors, ...document.warnings]) throw problem;
        return document.toJS() as Manifest;
      }),
    );
  }

  /** What base is made of, before kustomize. */
  static base(): Manifests {
    return new Manifests(kustomization("base").resources.map(baseText));
  }

  /** What kustomize makes of an overlay, which is named or in a folder of its own. */
  static async rendered(overlay: string): Promise<Manifests> {
    const folder = isAbsolute(overlay) ? overlay : `${kubernetesFolder}overlays/${overlay}`;
    const [command, args] = hasCommand("kustomize") ? ["kustomize", ["build", folder]] : ["kubectl", ["kustomize", folder]];
    return new Manifests([(await runToSuccess(command, args)).stdout.toString()]);
  }

  ofKind<Kind extends keyof Kinds>(kind: Kind): readonly Kinds[Kind][] {
    return this.all.filter((one) => one.kind === kind) as unknown as readonly Kinds[Kind][];
  }

  get<Kind extends keyof Kinds>(kind: Kind, name: string): Kinds[Kind] {
    const found = this.ofKind(kind).find(({ metadata }) => metadata?.name === name);
    if (found === undefined) throw new Error(`no ${kind} ${name}`);
    return found;
  }

  podSpec(statefulSet: string): PodSpec {
    const spec = this.get("StatefulSet", statefulSet).spec?.template.spec;
    if (spec === undefined) throw new Error(`no pods in ${statefulSet}`);
    return spec;
  }
}

/** Why overlays cannot be rendered here; empty: they can. Debian's kubectl (1.20) has a kustomize that is too old for `replicas`. */
export const noKustomize =
  hasCommand("kustomize") || hasCommand("kubectl") ? "" : " (skipped: neither kustomize nor kubectl is installed here)";
