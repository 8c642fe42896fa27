import type { LogDirectoryDescription } from "../../../client/index.ts";
import type { BrokerId } from "../../../protocol/base/ids.ts";
import { formatBytes, formatCount } from "../../output/units.ts";
import { diskUsed } from "../../topic/disk-used.ts";
import { type Facts, knownOf, whyOfSome } from "../facts.ts";
import { type Checked, findingIf } from "../finding.ts";

const check = "disks";
/** Shares of a disk. */
export const filling = { warning: 0.8, error: 0.95 } as const;

interface Place {
  readonly broker: BrokerId;
  readonly directory: LogDirectoryDescription;
}

export function checkDisks(facts: Facts): Checked {
  const places = knownOf(facts.directories).flatMap(([broker, directories]) => directories.map((directory) => ({ broker, directory })));
  const failed = places.filter(({ directory }) => directory.error !== null);
  const full = (from: number, below: number) =>
    places.filter(({ directory }) => {
      const used = diskUsed(directory);
      return used !== null && used >= from && used < below;
    });
  const [tight, fuller] = [full(filling.error, Number.POSITIVE_INFINITY), full(filling.warning, filling.error)];
  const makeRoom = {
    advice: "shorten retention, add a disk or a broker, or move copies away",
    commands: ["ottla cluster log-dirs", "ottla cluster rebalance --dry-run"],
  };
  const findings = [
    ...findingIf(
      check,
      "error",
      failed.map(({ broker, directory }) => `broker ${broker} ${directory.directory}`),
      (count) => ({
        what: `${formatCount(count, "log directory", "log directories")} failed`,
        why: "the copies there are out of use until the broker is restarted with a sound disk",
        advice: "see the broker's log for what failed",
        commands: ["ottla cluster log-dirs"],
      }),
    ),
    ...findingIf(check, "error", tight.map(diskText), (count) => ({
      what: `${formatCount(count, "disk")} nearly full`,
      why: "a broker whose disk takes nothing more takes the directory out of use, with everything in it",
      ...makeRoom,
    })),
    ...findingIf(check, "warning", fuller.map(diskText), (count) => ({
      what: `${formatCount(count, "disk")} more than ${filling.warning * 100} % full`,
      why: "what is left is for bursts, and for the copies of a broker that is lost",
      ...makeRoom,
    })),
  ];
  return { findings, unchecked: whyOfSome("disks", facts.directories) };
}

function diskText({ broker, directory }: Place): string {
  const used = Math.floor((diskUsed(directory) ?? 0) * 100);
  return `broker ${broker} ${directory.directory} (${used} % of ${formatBytes(directory.totalBytes)})`;
}

/** Whether some disk is filling. */
export function someDiskFills({ directories }: Facts): boolean {
  return knownOf(directories).some(([, some]) => some.some((directory) => (diskUsed(directory) ?? 0) >= filling.warning));
}
