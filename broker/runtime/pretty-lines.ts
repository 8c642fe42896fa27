/** Of a line of JSON makes one, or with an error several, for people. */
export type PrettyLines = (line: string) => string;

/** Control characters in JSON: as escapes where it demands that, as they are otherwise. An escaped backslash is passed over. */
const control = /\\\\|\\u00[01][0-9a-f]|[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** How a log looks on a terminal. Loaded where there is one only: it costs more than the logger itself. */
export async function prettyLines({ colours }: { readonly colours: boolean }): Promise<PrettyLines> {
  const { prettyFactory } = await import("pino-pretty");
  const pretty = prettyFactory({
    colorize: colours,
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
    // the whole log is one broker's
    ignore: "broker",
  });
  return (line) => pretty(shownControls(line));
}

/** What peers sent is in the log: a terminal shows control characters in it, and does not obey them. */
function shownControls(json: string): string {
  return json.replaceAll(control, (found) => {
    if (found === "\\\\") return found;
    return `\\\\u${found.startsWith("\\") ? found.slice(2) : found.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
