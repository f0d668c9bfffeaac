// What file tasks may not touch inside of the places that are open to them. The policy judged the
// path that the task named; a link may lead to another one, so what is judged here is the real path
// of what is opened.

import { folded, matchesPath, namesOf } from "../glob.ts";
import type { Cage } from "../job.ts";
import { isWithin } from "../sandbox/path.ts";
import { isOpen, type Use } from "./spot.ts";

/** Why a path is closed, and what would open it. */
export interface Closed {
  readonly because: string;
  readonly remedy: string;
}

export interface Ground {
  readonly cage: Cage;
  /** Absolute real paths that are the worker's own: closed whatever a rule says. */
  readonly hidden: readonly string[];
}

/** Null when the absolute real path may be read, or written. */
export function closedTo(use: Use, real: string, { cage, hidden }: Ground): Closed | null {
  if (hidden.some((own) => isWithin(folded(real), folded(own)))) {
    return { because: `${real} is the worker's own`, remedy: "look at it yourself" };
  }
  if (!isOpen(real, cage, use)) {
    const kept = (cage.readOnly ?? []).some((place) => isWithin(real, place));
    if (use === "write" && kept) {
      const remedy = "leave needs.write out of the task, or name its folder there";
      return { because: `${real} may only be read by this task`, remedy };
    }
    return {
      because: `${real} lies outside of the roots of this worker: ${cage.roots.join(", ")}`,
      remedy: "Name a path in a root, or add its folder to the roots in the worker's policy",
    };
  }
  const names = namesOf(folded(real));
  const patterns = (use === "read" ? cage.denyRead : cage.denyWrite) ?? [];
  const pattern = patterns.find((text) => matchesPath(namesOf(folded(text)), names));
  if (pattern !== undefined) {
    const tool = use === "read" ? "Read" : "Edit";
    return {
      because: `the policy closes ${real}: a rule names ${tool}(${pattern})`,
      remedy: `change the rule that names ${tool}(${pattern}) in the worker's policy`,
    };
  }
  return use === "write" ? guarded(real, cage) : null;
}

/** Names that make programs run elsewhere are written only where a rule spells them out. */
function guarded(real: string, { named = [] }: Cage): Closed | null {
  if (!isGuarded(real)) return null;
  const names = namesOf(real);
  if (named.some((text) => isGuarded(text) && matchesPath(namesOf(text), names))) return null;
  return {
    because: `${real} is not written: it can make programs run outside of the cage`,
    remedy: `change it yourself, or add "Edit(${real})" to rules.allow in the worker's policy`,
  };
}

const guardedNames: readonly RegExp[] = [
  /\/\.git\/(?:hooks(?:\/|$)|config(?:\.worktree)?$|modules(?:\/|$))/,
  // A `.git` file says where the repository is: another one would be obeyed.
  /\/\.git$/,
  /\/\.(?:bashrc|bash_profile|bash_login|bash_logout|bash_aliases|profile)$/,
  /\/\.(?:zshrc|zprofile|zshenv|zlogin|zlogout|kshrc|cshrc|tcshrc|login|pam_environment)$/,
  /\/\.config\/fish\/(?:config\.fish|conf\.d(?:\/|$)|functions(?:\/|$))/,
  /\/\.(?:envrc|gitconfig|gitmodules|mcp\.json)$/,
  /\/\.vscode\/tasks\.json$/,
  /\/\.claude\/(?:settings[^/]*|(?:commands|agents|hooks)(?:\/.*)?)$/,
];

/** Whether an absolute path, or a rule's pattern, spells a guarded name. */
function isGuarded(path: string): boolean {
  const name = foldedWidely(path);
  return guardedNames.some((pattern) => pattern.test(name));
}

/**
 * One spelling for all names that some disk takes for the same one: case (also of letters such as
 * `ſ`, whose capital is an S), and the characters that HFS+ leaves out (git's CVE-2014-9390).
 */
function foldedWidely(path: string): string {
  const seen = path.replaceAll(/[\u200C-\u200F\u202A-\u202E\u206A-\u206F\uFEFF]/g, "");
  return folded(seen.toUpperCase());
}
