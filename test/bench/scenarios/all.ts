import type { Scenario } from "../scenario.ts";
import { produceScenarios } from "./produce.ts";
import { rateScenarios } from "./rates.ts";

export const allScenarios: readonly Scenario[] = [...produceScenarios, ...rateScenarios];
