import { parentPort, workerData } from "node:worker_threads";
import variant from "@jitl/quickjs-wasmfile-release-sync";
import { newQuickJSWASMModuleFromVariant, type QuickJSContext, type QuickJSSyncVariant } from "quickjs-emscripten-core";
import type { FilterReply, FilterRequest, FilterStart } from "./filter-messages.ts";

/**
 * Evaluates a filter in a JavaScript engine of its own, inside WebAssembly: what runs in it has the language and the record, and nothing of
 * this process, of Node or of the machine, because nothing was put in. No function of ours is reachable from it.
 */

/** Of everything the engine holds. */
const memoryMaxBytes = 128 * 1024 * 1024;
const stackMaxBytes = 512 * 1024;

/** `records` and `current` are the records of the request and the one that is asked about. */
const surroundings = `
  let records = [];
  let current = {};
  const parsed = (text) => { try { return JSON.parse(text); } catch { return undefined; } };
  Object.defineProperty(globalThis, "json", { get: () => (typeof current.value === "string" ? parsed(current.value) : current.value) });
  globalThis.header = (name) => current.headers.find(({ key }) => key === name)?.value;
  (text) => { records = JSON.parse(text); };
`;

const { expression, timeLimitMs, begun } = workerData as FilterStart;
const counter = new Int32Array(begun);
let deadlineMs = Number.POSITIVE_INFINITY;

const engine = await newQuickJSWASMModuleFromVariant(variant as unknown as QuickJSSyncVariant);
const runtime = engine.newRuntime();
runtime.setMemoryLimit(memoryMaxBytes);
runtime.setMaxStackSize(stackMaxBytes);
runtime.setInterruptHandler(() => performance.now() > deadlineMs);
const context = runtime.newContext();
const load = context.unwrapResult(context.evalCode(surroundings));

/** A function of a record's index. The expression stands alone on its lines: a comment at its end does not hide what follows. */
const test = context.evalCode(
  `(index) => { const record = current = records[index]; const { topic, partition, offset, timestampMs, key, value, headers } = record; return !!(\n${expression}\n); }`,
);
if (test.error) reply({ kind: "refused", reason: messageOf(context, test.error) });
else reply({ kind: "ready" });

parentPort?.on("message", ({ records, count }: FilterRequest) => {
  const text = context.newString(records);
  const loaded = context.callFunction(load, context.undefined, text);
  text.dispose();
  if (loaded.error) return reply({ kind: "overran", index: 0, reason: messageOf(context, loaded.error) });
  loaded.value.dispose();
  reply(judge(count));
});

function judge(count: number): FilterReply {
  const passes: boolean[] = [];
  const errors: { index: number; message: string }[] = [];
  for (let index = 0; index < count; index++) {
    Atomics.add(counter, 0, 1);
    deadlineMs = performance.now() + timeLimitMs;
    const argument = context.newNumber(index);
    const outcome = context.callFunction(context.unwrapResult(test), context.undefined, argument);
    argument.dispose();
    const isLate = performance.now() > deadlineMs;
    deadlineMs = Number.POSITIVE_INFINITY;
    if (isLate) return { kind: "overran", index, reason: `it took longer than ${timeLimitMs} ms` };
    if (outcome.error) {
      const message = messageOf(context, outcome.error);
      if (message.includes("out of memory")) return { kind: "overran", index, reason: message };
      errors.push({ index, message });
      passes.push(false);
    } else {
      passes.push(context.sameValue(outcome.value, context.true));
      outcome.value.dispose();
    }
  }
  return { kind: "judged", passes, errors };
}

function messageOf(from: QuickJSContext, handle: Parameters<QuickJSContext["dump"]>[0]): string {
  const error: unknown = from.dump(handle);
  handle.dispose();
  if (typeof error !== "object" || error === null || !("message" in error)) return String(error);
  return `${"name" in error ? error.name : "Error"}: ${error.message}`;
}

function reply(message: FilterReply): void {
  parentPort?.postMessage(message);
}
