import type { DescribeConfigsResponse } from "../../protocol/messages/describe-configs.ts";
import { configTypeCodes, type DescribedConfig } from "../runtime/config/describe.ts";
import { configSourceCodes } from "../runtime/config/resolve.ts";

export type ConfigEntry = DescribeConfigsResponse["results"][number]["configs"][number];

/** The numbers of the resource types that have settings. */
export const resourceType = { topic: 2, broker: 4 } as const;

/** Resource types that Kafka knows too, and why they have no settings here. */
const resourcesWithoutSettings: Readonly<Record<number, string>> = {
  8: "The levels of a broker's loggers cannot be looked at or changed: ottla.log.level is set where the broker is started.",
  16: "Clients' metrics are not collected here, so they have no settings.",
  32: "Groups have no settings of their own here: those of the brokers hold for all of them.",
};

/** For a resource type other than those above. */
export function unsupportedResource(type: number): string {
  return resourcesWithoutSettings[type] ?? `Resource type ${type} has no settings here.`;
}

/** A setting as DescribeConfigs answers it; synonyms and documentation only on request. */
export function configEntry(config: DescribedConfig, asked: { readonly synonyms: boolean; readonly documentation: boolean }): ConfigEntry {
  return {
    name: config.name,
    value: config.value,
    readOnly: config.isReadOnly,
    isDefault: config.isDefault,
    configSource: configSourceCodes[config.source],
    isSensitive: config.isSensitive,
    synonyms: asked.synonyms ? config.synonyms.map(({ name, value, source }) => ({ name, value, source: configSourceCodes[source] })) : [],
    configType: configTypeCodes[config.type],
    documentation: asked.documentation ? config.documentation : null,
  };
}
