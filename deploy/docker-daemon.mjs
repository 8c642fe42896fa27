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

const baseTags = ["node:24-bookworm-slim", "zookeeper:3.8"];
const linksTag = "ghcr.io/shopify/toxiproxy:2.12.0";

/**
 * Provides the images that our compose files take from elsewhere: pulled, or built from packages where nothing can be pulled. `reason` and
 * `linksReason` are null, or why docker-compose.yml, or docker-compose.chaos.yml, cannot run; `standIns` is true when they were built here.
 */
export function provideImages(root) {
  const missing = () => [...baseTags, linksTag].filter((tag) => !succeeds("docker", ["image", "inspect", tag]));
  for (const tag of missing()) spawnSync("docker", ["pull", "--quiet", tag], { stdio: "ignore", timeout: 300_000 });
  if (missing().length > 0) spawnSync(join(root, "deploy", "offline-images.sh"), [], { stdio: ["ignore", "inherit", "inherit"] });
  const left = missing();
  const reason = "the images can neither be pulled nor built from packages here";
  return {
    reason: left.some((tag) => baseTags.includes(tag)) ? reason : null,
    linksReason: left.length > 0 ? reason : null,
    standIns: succeeds("docker", ["image", "inspect", "ottla-offline-base:bookworm"]),
  };
}
