// Puts in place what a fresh clone lacks. Plain JavaScript: it runs on whatever Node the machine has (20 or newer), before anything is
// installed.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Steps } from "./steps.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const nodeMajorMin = 24;

/** What Debian's packages provide, and how to check that it is there. */
const debianNeeds = {
  java: { packages: ["default-jre-headless"], present: () => onPath("java"), what: "Java, which ZooKeeper runs on" },
  zookeeper: { packages: ["zookeeper"], present: () => existsSync("/usr/share/java/zookeeper.jar"), what: "ZooKeeper 3.8" },
  kcat: { packages: ["kcat"], present: () => onPath("kcat"), what: "kcat, an outside client for the tests" },
  iptables: {
    packages: ["iptables", "iproute2"],
    present: () => onPath("iptables") && onPath("ip"),
    what: "iptables and ip, with which the chaos tests cut networks of their own",
  },
  tmux: { packages: ["tmux"], present: () => onPath("tmux"), what: "tmux, a terminal for the tests of what the command looks like" },
  nginx: {
    packages: ["nginx-light"],
    present: () => onPath("nginx"),
    what: "nginx, for the access-log example",
  },
  docker: {
    packages: ["docker.io", "docker-compose", "debootstrap"],
    present: () => ["dockerd", "docker-compose", "debootstrap"].every(onPath),
    what: "Docker, docker-compose and debootstrap, for the container tests",
  },
  prometheus: {
    packages: ["prometheus"],
    present: () => onPath("prometheus") && onPath("promtool"),
    what: "Prometheus, which scrapes brokers with the alert rules of deploy/dashboards",
  },
  wrk: { packages: ["wrk"], present: () => onPath("wrk"), what: "wrk, which loads nginx in the access-log example" },
};

export class SetUpFailed extends Error {}

/** Installs what is missing. `debian`: names from `debianNeeds`; those in `optional` are tried and, failing that, reported only. */
export async function setUp({ debian, optional = [] }) {
  const missing = missingDebian(debian, optional);
  // what cannot be installed here is reported first, not after minutes of installing the rest
  const prefix = missing.length === 0 ? null : rootPrefix();
  if (prefix === null) reportMissing(missing, debian);
  const wanted = dependenciesWanted();
  const steps = new Steps((wanted === null ? 0 : 1) + (prefix === null ? 0 : 1));
  if (wanted !== null) await steps.run("installing the npm dependencies (once)", () => installDependencies(wanted));
  const node = pinnedNode();
  if (prefix !== null) {
    const packages = missing.flatMap((name) => debianNeeds[name].packages);
    await steps.run(`installing Debian's ${packages.join(", ")} (once)`, () => installDebianPackages(missing, debian, prefix));
  }
  keepCompiled();
  return { node };
}

/**
 * Programs that are started from here, and their children, find the sources with their types stripped and compiled: half of what a command
 * costs. Node compares their contents, so nothing in it is ever stale.
 */
function keepCompiled() {
  process.env.NODE_COMPILE_CACHE ??= join(root, "node_modules", ".cache", "compiled");
}

/** Runs `main` and turns a SetUpFailed into one line and exit code 1. */
export async function orExit(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetUpFailed)) throw error;
    process.stderr.write(`ottla: ${error.message}\n`);
    process.exit(1);
  }
}

function say(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

function onPath(command) {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"].some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const installedStamp = join(root, "node_modules", ".ottla-installed");

/** A sign for this very lock file; null: what it says is installed. */
function dependenciesWanted() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .update(`${process.platform}-${process.arch}`)
    .digest("hex");
  return existsSync(installedStamp) && readFileSync(installedStamp, "utf8") === wanted ? null : wanted;
}

async function installDependencies(wanted) {
  const npm = await run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root });
  if (npm.error !== null) throw new SetUpFailed(`npm could not be run (${npm.error.message}): install npm, then try again`);
  if (npm.status !== 0) throw new SetUpFailed(`\`npm ci\` failed:\n${npm.complaint}`);
  writeFileSync(installedStamp, wanted);
}

/** A program to its end, with what it complained about. */
function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ["ignore", "ignore", "pipe"] });
    const complaints = [];
    child.stderr.on("data", (chunk) => complaints.push(chunk));
    const end = (status, error) => resolve({ status, error, complaint: Buffer.concat(complaints).toString().trim() });
    child.once("error", (error) => end(null, error));
    child.once("close", (status) => end(status, null));
  });
}

/** The Node that everything runs on: the pinned one from the `node` package, or this one where it is new enough. */
function pinnedNode() {
  const pinned = join(root, "node_modules", "node", "bin", "node");
  // where npm does not run install scripts, the package is there but not its binary
  if (!existsSync(pinned)) spawnSync("npm", ["rebuild", "node", "--foreground-scripts"], { cwd: root, stdio: "ignore" });
  if (!existsSync(pinned))
    spawnSync(process.execPath, ["installArchSpecificPackage.js"], { cwd: join(root, "node_modules", "node"), stdio: "ignore" });
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split(".")[0]) >= nodeMajorMin) return process.execPath;
  throw new SetUpFailed(
    `Node ${nodeMajorMin} is needed: the npm package "node" brought no binary for this machine, and this is Node ${process.versions.node}. Install Node ${nodeMajorMin} or newer.`,
  );
}

function missingDebian(names, optional) {
  return [...new Set([...names, ...optional])].filter((name) => !debianNeeds[name].present());
}

function aptCommand(missing) {
  return `apt-get install --no-install-recommends ${missing.flatMap((name) => debianNeeds[name].packages).join(" ")}`;
}

/** For where we cannot become root: fails for what is required, says what is left out otherwise. */
function reportMissing(missing, required) {
  if (missing.length === 0) return;
  const reason = missing.map((name) => debianNeeds[name].what).join("; ");
  const how = aptCommand(missing);
  if (missing.some((name) => required.includes(name))) throw new SetUpFailed(`missing: ${reason}. Run as root: ${how}`);
  say(`left out: ${reason} (as root: ${how})`);
}

async function installDebianPackages(missing, names, prefix) {
  const required = missing.filter((name) => names.includes(name));
  const packages = missing.flatMap((name) => debianNeeds[name].packages);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const [command, ...before] = [...prefix, "apt-get"];
  const apt = (...args) => run(command, [...before, ...args], { env });
  const install = () => apt("install", "-y", "--no-install-recommends", ...packages);
  let result = await install();
  if (result.status !== 0) {
    await apt("update");
    result = await install();
  }
  const still = required.filter((name) => !debianNeeds[name].present());
  if (still.length > 0) throw new SetUpFailed(`\`${aptCommand(missing)}\` failed:\n${result.complaint}`);
}

/** How to become root without a question: not at all, by sudo, or (null) not possible, or no apt-get here. */
function rootPrefix() {
  if (!onPath("apt-get")) return null;
  if (process.getuid?.() === 0) return [];
  return onPath("sudo") && spawnSync("sudo", ["-n", "true"], { stdio: "ignore" }).status === 0 ? ["sudo", "-n"] : null;
}
