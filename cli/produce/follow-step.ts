/** One of the files that were at the followed path, as of the last check. */
export interface SeenFile {
  /** How far it was read. */
  readonly positionBytes: number;
  readonly sizeBytes: number;
  /** Its first bytes are not those that were read from it: it was emptied and rewritten. */
  readonly headChanged: boolean;
  /** How long it has not grown. */
  readonly quietForMs: number;
}

export interface FollowView {
  /** Oldest first; all but the last were rotated away. */
  readonly files: readonly SeenFile[];
  /** A file that is none of these is at the path. */
  readonly newFileAtPath: boolean;
  /** Asked to end: read what is there, wait for nothing. */
  readonly stopping: boolean;
}

export interface FollowLimits {
  /** Writers may keep writing to a renamed file for a moment: its successor is not read before it was quiet for this long. */
  readonly quietBeforeNextMs: number;
  /** A renamed file is closed once it was quiet for this long. */
  readonly quietBeforeRetiringMs: number;
  /** More are not kept open: the oldest is closed as soon as it is read to its end. */
  readonly filesMax: number;
}

export type FollowStep =
  /** The file was emptied in place (copytruncate): read it from its beginning. */
  | { readonly kind: "restart"; readonly index: number }
  | { readonly kind: "read"; readonly index: number }
  /** Open the file that is at the path now. At once, though it may not be read yet: it could be gone later. */
  | { readonly kind: "open" }
  /** Close the oldest file. */
  | { readonly kind: "retire" }
  | { readonly kind: "wait" }
  | { readonly kind: "end" };

/** What the follower of a growing file does next. Everything is read before anything is closed, so no rotation loses a line. */
export function nextFollowStep({ files, newFileAtPath, stopping }: FollowView, limits: FollowLimits): FollowStep {
  const restarted = files.findIndex((file) => file.sizeBytes < file.positionBytes || file.headChanged);
  if (restarted >= 0) return { kind: "restart", index: restarted };
  const oldest = files[0];
  const oldestIsRead = oldest !== undefined && oldest.sizeBytes <= oldest.positionBytes;
  if (newFileAtPath && files.length < limits.filesMax) return { kind: "open" };
  if (newFileAtPath && oldestIsRead) return { kind: "retire" };
  for (const [index, file] of files.entries()) {
    if (file.sizeBytes > file.positionBytes) return { kind: "read", index };
    const isLast = index === files.length - 1;
    if (!isLast && !stopping && file.quietForMs < limits.quietBeforeNextMs) break;
  }
  if (stopping) return { kind: "end" };
  if (files.length > 1 && oldestIsRead && oldest.quietForMs >= limits.quietBeforeRetiringMs) return { kind: "retire" };
  return { kind: "wait" };
}
