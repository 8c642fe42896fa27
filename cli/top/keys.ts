import { emitKeypressEvents } from "node:readline";
import type { ReadStream } from "node:tty";
import type { Key } from "./top-state.ts";

interface Pressed {
  readonly name?: string;
  readonly ctrl?: boolean;
}

/** Hands over keys as they are pressed, until the returned function is called. Ctrl-C is a key meanwhile, and no signal. */
export function readKeys(from: ReadStream, onKey: (key: Key) => void): () => void {
  const listener = (text: string | undefined, { name = "", ctrl = false }: Pressed) => onKey({ text: text ?? "", name, ctrl });
  emitKeypressEvents(from);
  from.setRawMode(true);
  from.on("keypress", listener).resume();
  return () => {
    from.off("keypress", listener).pause();
    from.setRawMode(false);
  };
}
