import { endsAreAsDemanded, memoryIsBounded, noAlarms, noErrorStorm, replicasAreIdentical, viewsAgree } from "./cluster.ts";
import { clientsEnd, readersReachTheEnd, readsDoNotFail } from "./endings.ts";
import type { Check, Evidence, Violation } from "./evidence.ts";
import { commitsNeverMoveBack, earlierOwnersAreFenced, groupsSkipNothing, oneOwner } from "./groups.ts";
import { oneValuePerOffset, readsAreDense, whatWasReadStays } from "./reads.ts";
import { acknowledgedIsPresent, historyIsComplete, idempotentIsOnce, nothingFromNowhere, orderIsKept } from "./records.ts";
import { othersGoOn, serviceReturns } from "./service.ts";
import { nothingOfDeletedTopics, topicsAreAsAnswered } from "./topics.ts";

export const allChecks: readonly Check[] = [
  historyIsComplete,
  acknowledgedIsPresent,
  idempotentIsOnce,
  nothingFromNowhere,
  orderIsKept,
  oneValuePerOffset,
  whatWasReadStays,
  readsAreDense,
  readsDoNotFail,
  readersReachTheEnd,
  clientsEnd,
  commitsNeverMoveBack,
  oneOwner,
  earlierOwnersAreFenced,
  groupsSkipNothing,
  replicasAreIdentical,
  viewsAgree,
  topicsAreAsAnswered,
  nothingOfDeletedTopics,
  endsAreAsDemanded,
  memoryIsBounded,
  noErrorStorm,
  noAlarms,
  othersGoOn,
  serviceReturns,
];

export function violationsIn(evidence: Evidence): Violation[] {
  return allChecks.flatMap((check) => check(evidence));
}
