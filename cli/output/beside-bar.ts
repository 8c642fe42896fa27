let isDrawn = false;

/** Whether a bar is being drawn on standard error, of which there is one. */
export function barIsDrawn(now: boolean): void {
  isDrawn = now;
}

const clearLine = "\r\u001b[K";
const wrapping = { on: "\u001b[?7h", off: "\u001b[?7l" };
/** Where the bar goes back to at its end. */
const savePosition = "\u001b7";

/** Lines for standard error: instead of the bar that is drawn there, which is drawn again below them, and are not cut off as it is. */
export function besideBar(lines: string): string {
  return isDrawn ? `${clearLine}${wrapping.on}${lines}${savePosition}${wrapping.off}` : lines;
}
