import { explain } from "../output/command-failed.ts";

/** What was asked for, or why it is not known. */
export type Known<T> = { readonly value: T; readonly why: null } | { readonly value: null; readonly why: string };

/** A failure is an answer, too: of others there may be more. */
export async function known<T>(asked: Promise<T>): Promise<Known<T>> {
  try {
    return { value: await asked, why: null };
  } catch (error) {
    return { value: null, why: explain(error) };
  }
}

/** Of each broker at the same time: one that does not answer holds up no other. */
export async function ofEachBroker<T>(ids: readonly number[], ask: (id: number) => Promise<T>): Promise<ReadonlyMap<number, Known<T>>> {
  return new Map(await Promise.all(ids.map(async (id) => [id, await known(ask(id))] as const)));
}
