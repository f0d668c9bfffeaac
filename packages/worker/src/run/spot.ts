import { relative, resolve } from "node:path";
import { isWithin } from "../sandbox/path.ts";

/** A path and the root that it lies in. */
export interface Spot {
  readonly root: string;
  /** Absolute, without '.' and '..'. */
  readonly path: string;
  /** The same below the root. Begins with a dot, because fs-safe expands a leading `~`. */
  readonly below: string;
}

/** The innermost root that holds `path` by its name, or null. Links are the library's to judge. */
export function placeIn(path: string, roots: readonly string[]): Spot | null {
  const full = resolve(path);
  const around = roots.filter((root) => isWithin(full, root));
  const root = around.sort((left, right) => right.length - left.length)[0];
  if (root === undefined || path.includes("\0")) return null;
  const below = relative(root, full);
  return { root, path: full, below: below === "" ? "." : `./${below}` };
}

// Each pattern is tried on a path below a root, in lower case, because some disks fold it.
const guarded: readonly RegExp[] = [
  /(^|\/)\.git\/(hooks(\/|$)|config(\.worktree)?$|modules(\/|$))/,
  /(^|\/)\.git$/,
  /(^|\/)\.(bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zprofile|zshenv|zlogin)$/,
  /(^|\/)\.(envrc|gitconfig|gitmodules|mcp\.json)$/,
  /(^|\/)\.vscode\/tasks\.json$/,
  /(^|\/)\.claude\/(settings[^/]*|(commands|agents|hooks)(\/.*)?)$/,
];

/** The guarded name that an absolute path in the spot's root has, or null. */
export function guardedName(spot: Spot, path: string): string | null {
  const below = relative(spot.root, path);
  const folded = below.toLowerCase();
  return guarded.some((pattern) => pattern.test(folded)) ? below : null;
}
