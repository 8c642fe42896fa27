/** Why ZooKeeper would refuse `path`, or null when it is a well-formed absolute path. */
export function pathFault(path: string): string | null {
  if (!path.startsWith("/")) return "does not start with /";
  if (path === "/") return null;
  for (const name of path.slice(1).split("/")) {
    if (name === "") return "has an empty name in it";
    if (name === "." || name === "..") return "has a relative name in it";
    for (let i = 0; i < name.length; i++) {
      if (isForbidden(name.charCodeAt(i))) return "has a character ZooKeeper does not allow";
    }
  }
  return null;
}

/** ZooKeeper's rule, by UTF-16 unit: no controls, surrogates, private use or specials. */
function isForbidden(unit: number): boolean {
  return unit <= 0x1f || (unit >= 0x7f && unit <= 0x9f) || (unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0;
}

/** `/a` for `/a/b`, `/` for `/a`. The root has no parent: null. */
export function parentPath(path: string): string | null {
  if (path === "/") return null;
  const slash = path.lastIndexOf("/");
  return slash === 0 ? "/" : path.slice(0, slash);
}

/** The last name in the path. */
export function nodeName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** `/a`, `/a/b`, `/a/b/c` for `/a/b/c`; nothing for the root. */
export function pathPrefixes(path: string): string[] {
  if (path === "/") return [];
  const names = path.slice(1).split("/");
  return names.map((_, i) => `/${names.slice(0, i + 1).join("/")}`);
}

/** The path on the server. `chroot` is empty or an absolute path. */
export function belowChroot(chroot: string, path: string): string {
  if (chroot === "") return path;
  return path === "/" ? chroot : chroot + path;
}

/** The path below the chroot. */
export function withoutChroot(chroot: string, path: string): string {
  if (chroot === "") return path;
  return path === chroot ? "/" : path.slice(chroot.length);
}
