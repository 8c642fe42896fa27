import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pinoLogger } from "../../../broker/runtime/pino-logger.ts";
import { prettyLines } from "../../../broker/runtime/pretty-lines.ts";

test("lines of JSON at and above the level are appended to the file, with the fields of all and of the child", () => {
  const folder = mkdtempSync(join(tmpdir(), "ottla-log-"));
  try {
    const logFile = join(folder, "logs", "broker.log");
    const log = pinoLogger({ logLevel: "info", logFile }, { brokerId: 3 });
    log.debug({}, "too quiet");
    log.child({ part: "network" }).warn({ remote: "h:1", err: new Error("broken") }, "closed");
    log.flush();
    const lines = readFileSync(logFile, "utf8").trim().split("\n");
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] as string);
    expect(line).toMatchObject({ level: "warn", brokerId: 3, part: "network", remote: "h:1", msg: "closed", err: { message: "broken" } });
    expect(Date.parse(line.time)).not.toBeNaN();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("for people a line says when, how grave, what and about what, and no control character of a peer reaches the terminal", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ottla-log-"));
  try {
    const logFile = join(folder, "broker.log");
    const log = pinoLogger({ logLevel: "info", logFile }, { broker: 3 }, await prettyLines({ colours: false }));
    log.warn({ remote: "h:1", clientId: "a\u001b[2J\u009b\u202e\\u001b" }, "closed");
    log.error({ err: new Error("broken\u001b[31m") }, "this broker cannot go on");
    log.flush();
    const text = readFileSync(logFile, "utf8");
    const [first = "", second = "", ...error] = text.split("\n");
    expect(first).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: closed /);
    expect(first).toContain(String.raw`{"remote":"h:1","clientId":"a\u001b[2J\u009b\u202e\u001b"}`);
    expect(second).toContain("ERROR: this broker cannot go on");
    expect(error.join("\n")).toContain(String.raw`Error: broken\u001b[31m`);
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
