import type { Output } from "../output/output.ts";
import { diagnose } from "./diagnose.ts";
import { type Gathering, gatherFacts } from "./gather-facts.ts";
import { diagnosisAsJson, diagnosisAsText, isWell } from "./show-diagnosis.ts";

export interface DoctorShown {
  readonly output: Output;
  readonly json: boolean;
  /** What our commands need besides, to be about this cluster: ` --bootstrap …`, or nothing. */
  readonly target: string;
}

/** Prints what is wrong with a cluster. True: nothing that somebody should mend. */
export async function doctor(gathering: Gathering, { output, json, target }: DoctorShown): Promise<boolean> {
  const checked = diagnose(await gatherFacts(gathering));
  if (json) await output.json(diagnosisAsJson(checked, target));
  else await output.write(diagnosisAsText(checked, target, output.look));
  return isWell(checked);
}
