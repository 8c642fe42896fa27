import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pinoLogger } from "../../../broker/runtime/pino-logger.ts";

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
