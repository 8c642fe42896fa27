import { commitUnreplicated } from "./commit-unreplicated.ts";
import { deposeController } from "./depose-controller.ts";
import { joinBelowEpochStart } from "./join-below-epoch-start.ts";
import { joinUndecided } from "./join-undecided.ts";
import { powerAtAcknowledgement } from "./power-at-acknowledgement.ts";
import { resetDuringStall } from "./reset-during-stall.ts";
import type { Scheme } from "./scheme.ts";
import { stoppedMidAcknowledgement } from "./stopped-mid-acknowledgement.ts";
import { toAndFroUnheardByFollower, toAndFroUnheardByLeader } from "./to-and-fro.ts";

export const schemes: readonly Scheme[] = [
  joinUndecided,
  joinBelowEpochStart,
  toAndFroUnheardByFollower,
  toAndFroUnheardByLeader,
  resetDuringStall,
  stoppedMidAcknowledgement,
  deposeController,
  commitUnreplicated,
  powerAtAcknowledgement,
];
