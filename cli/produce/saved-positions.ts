import { CommandFailed, explain } from "../output/command-failed.ts";
import { complain } from "../output/complaints.ts";
import type { FileFollower } from "./file-follower.ts";
import type { PositionFile } from "./position-file.ts";

const positionSavedEveryMs = 1000;

/** Writes now and then how far the lines are stored, and once more at the end. */
export function savePositions(file: PositionFile, follower: FileFollower): { end(): Promise<void> } {
  let running = Promise.resolve();
  let failure: unknown = null;
  const save = () => {
    running = running
      .then(() => (failure === null ? file.write(follower.positions()) : undefined))
      .catch((error) => {
        failure = error;
        complain(`positions are not saved any more: ${explain(error)}`);
      });
  };
  const timer = setInterval(save, positionSavedEveryMs);
  let ended: Promise<void> | null = null;
  return {
    end() {
      clearInterval(timer);
      if (ended === null) {
        save();
        ended = running.then(() => {
          if (failure !== null) throw new CommandFailed(`positions could not be saved: ${explain(failure)}`);
        });
      }
      return ended;
    },
  };
}
