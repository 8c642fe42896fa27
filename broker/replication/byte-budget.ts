/** What may still be copied at a rate. It fills up as time passes, and is in debt after more was copied than there was. */
export interface ByteBudget {
  readonly bytesPerSecond: number;
  /** What may be saved up at most, in time. */
  readonly windowMs: number;
  readonly bytes: number;
  readonly atMs: number;
}

/**
 * One answer may have what a fortieth of the window brings: many small ones, for what is in sync waits behind each of them. At low rates
 * there are fewer, as each answer has its cost.
 */
const portionsMax = 40;
const portionsMin = 10;
const largeBytes = 256 * 1024;

/** Nothing is saved up yet. */
export function newBudget(bytesPerSecond: number, windowMs: number, nowMs: number): ByteBudget {
  return { bytesPerSecond, windowMs, bytes: 0, atMs: nowMs };
}

/** As of now, and at this rate from now on. Debts stay; what was saved up stays as far as there is room for it. */
export function refilled(budget: ByteBudget, bytesPerSecond: number, nowMs: number): ByteBudget {
  const { windowMs } = budget;
  const earned = (budget.bytesPerSecond * Math.max(0, nowMs - budget.atMs)) / 1000;
  const capacity = (bytesPerSecond * windowMs) / 1000;
  return { bytesPerSecond, windowMs, bytes: Math.min(budget.bytes + earned, capacity), atMs: Math.max(nowMs, budget.atMs) };
}

export function spent(budget: ByteBudget, bytes: number): ByteBudget {
  return { ...budget, bytes: budget.bytes - bytes };
}

/** What one answer may have now; 0: the next portion is not complete yet. */
export function allowance(budget: ByteBudget): number {
  const portion = portionOf(budget);
  return portion > 0 && budget.bytes >= portion ? Math.max(1, Math.floor(portion)) : 0;
}

/**
 * About when the next portion is complete; never, at a rate of 0. Whole milliseconds away, or whoever waits for what rounding leaves
 * missing would do so without any time passing.
 */
export function portionAtMs(budget: ByteBudget): number {
  const missing = portionOf(budget) - budget.bytes;
  if (budget.bytesPerSecond === 0) return Number.POSITIVE_INFINITY;
  return missing <= 0 ? budget.atMs : budget.atMs + Math.max(1, Math.ceil((missing / budget.bytesPerSecond) * 1000));
}

function portionOf({ bytesPerSecond, windowMs }: ByteBudget): number {
  const window = (bytesPerSecond * windowMs) / 1000;
  return Math.max(window / portionsMax, Math.min(window / portionsMin, largeBytes));
}
