import { expect, test } from "vitest";
import { contextSwitchesOf, cpuSecondsOf, memoryOf, writtenBytesOf } from "../../bench/processes/proc-files.ts";

test("processor time is user and system time together, whatever the program is called", () => {
  const fields = "S 1 4711 4711 0 -1 4194560 2500 0 3 0 1234 66 7 8 20 0 21 0 12345 1073741824 9999";
  expect(cpuSecondsOf(`4711 (node) ${fields}`)).toBe(13);
  expect(cpuSecondsOf(`4711 (a) b (c) ${fields}`)).toBe(13);
});

test("memory and context switches are found among the lines of a status", () => {
  const status =
    "Name:\tnode\nVmPeak:\t 999 kB\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\nvoluntary_ctxt_switches:\t70\nnonvoluntary_ctxt_switches:\t5\n";
  expect(memoryOf(status)).toEqual({ residentBytes: 200 * 1024, peakBytes: 300 * 1024 });
  expect(contextSwitchesOf(status)).toBe(75);
});

test("what never reached the disk does not count as written", () => {
  const io = "rchar: 1\nwchar: 9999\nsyscr: 1\nsyscw: 1\nread_bytes: 0\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n";
  expect(writtenBytesOf(io)).toBe(4096);
});
