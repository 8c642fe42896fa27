import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const daemonReadyMaxMs = 60_000;

const succeeds = (command, args) => spawnSync(command, args, { stdio: "ignore" }).status === 0;
export const daemonAnswers = () => succeeds("docker", ["info"]);

/**
 * Finds a Docker daemon, or starts one of our own where we may. Returns how to stop what was started, or null with the reason why there is
 * none.
 */
export async function findOrStartDaemon() {
  if (daemonAnswers()) return { stop: async () => {}, reason: null };
  if (process.getuid?.() !== 0) return { stop: null, reason: "no Docker daemon answers, and starting one needs root" };
  if (!succeeds("dockerd", ["--version"]))
    return { stop: null, reason: "no Docker daemon answers, and dockerd is not installed (apt-get install docker.io)" };
  const folder = mkdtempSync(join(tmpdir(), "ottla-dockerd-"));
  const log = openSync(join(folder, "dockerd.log"), "a");
  const daemon = spawn("dockerd", [], { stdio: ["ignore", log, log] });
  let ended = false;
  daemon.once("exit", () => {
    ended = true;
  });
  daemon.once("error", () => {
    ended = true;
  });
  const stop = async () => {
    daemon.kill("SIGTERM");
    for (let waitedMs = 0; !ended && waitedMs < 15_000; waitedMs += 100) await sleep(100);
    if (!ended) daemon.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  for (let waitedMs = 0; waitedMs < daemonReadyMaxMs && !ended; waitedMs += 250) {
    if (daemonAnswers()) return { stop, reason: null };
    await sleep(250);
  }
  await stop();
  return { stop: null, reason: "dockerd was started but does not answer (it may lack privileges here)" };
}

/**
 * Provides the base images of docker-compose.yml: pulled, or built from Debian's packages where nothing can be pulled. True when they are
 * stand-ins.
 */
export function provideImages(root) {
  const tags = ["node:24-bookworm-slim", "zookeeper:3.8"];
  const missing = () => tags.filter((tag) => !succeeds("docker", ["image", "inspect", tag]));
  for (const tag of missing()) spawnSync("docker", ["pull", "--quiet", tag], { stdio: "ignore", timeout: 300_000 });
  if (missing().length > 0) {
    const built = spawnSync(join(root, "deploy", "offline-images.sh"), [], { stdio: ["ignore", "inherit", "inherit"] });
    if (built.status !== 0) return { reason: "the images can neither be pulled nor built from packages here", standIns: false };
  }
  return { reason: null, standIns: succeeds("docker", ["image", "inspect", "ottla-offline-base:bookworm"]) };
}
