import { type Random, randomInt } from "../../protocol/base/random.ts";

const firstPauseMs = 25;
const pauseMaxMs = 1_000;
const attemptMinMs = 500;
const firstAttemptMaxMs = 2_000;

/**
 * How long to wait before the next attempt to connect, in milliseconds, after `attempts` failures in a row: 0 until every server was tried
 * once, then longer after each round, up to more than a second.
 */
export function pauseBeforeMs(attempts: number, servers: number, random: Random): number {
  const rounds = Math.floor(attempts / servers);
  if (rounds === 0 || attempts % servers !== 0) return 0;
  return Math.min(firstPauseMs * 2 ** Math.min(rounds - 1, 10), pauseMaxMs) * (1 + random.next() / 2);
}

/**
 * How long an attempt may take until the session is granted, in milliseconds, after `timedOut` attempts in a row that took too long. At
 * first short enough to try every server in the third of the session timeout that is left when a silent link is dropped; twice as long
 * after each round, or servers that are merely slow would never get to answer. Attempts that were refused at once do not count: a server
 * that starts refuses many, and may then accept one that it never answers.
 */
export function attemptMaxMs(timedOut: number, servers: number, sessionTimeoutMs: number): number {
  const rounds = Math.floor(timedOut / servers);
  const firstMs = Math.min(Math.max(sessionTimeoutMs / (3 * servers), attemptMinMs), firstAttemptMaxMs);
  return Math.min(firstMs * 2 ** Math.min(rounds, 10), Math.max(sessionTimeoutMs, attemptMinMs));
}

/** The same elements in an order drawn from `random` (Fisher and Yates). */
export function shuffled<T>(things: readonly T[], random: Random): T[] {
  const result = [...things];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomInt(random, i + 1);
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}
