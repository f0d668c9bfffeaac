// The look at what a cage shows, for names that must be closed in it: those that the policy's rules
// name, and those that are guarded. It is repeated before each cage is used, because a file may have
// come, or been replaced, since the cage was built; so it costs one question per folder, and only
// folders that have changed are read again.
//
//   A folder's change time (ctime) tells: it moves whenever a name in it comes, goes or is
//   replaced, and no program can set it. Two changes within one tick of the kernel's clock look
//   alike, so a folder that has changed just now is read again the next time as well.
//
// What a bind mount covers is not a name but a file: when an editor on the host replaces a closed
// file, the cover of a waiting cage falls off. So what is closed is told by its file's number too,
// and a cage that was built for the old file is not used. (A task that runs at that moment sees the
// new file; the kernel has no means against it that needs no root.)

import { join } from "node:path";
import type { Clock } from "@openclaw-worker/base";
import { openTwins, resolve, type Found, type Resolved } from "./alias.ts";
import { guardedIn, guardOf, isForeign, type EntryKind } from "./guarded.ts";
import { entriesOf, idOf, statOf, type Entry } from "./look.ts";
import type { Trail } from "./pattern.ts";
import { CageUnavailable } from "./unavailable.ts";

/** A place that the cage shows. */
export interface Start {
  /** Absolute real path of a folder or a file. */
  readonly path: string;
  /** What the rules say there. */
  readonly trail: Trail;
  /** What tasks work in (`root`), what else they may read, or what belongs to the system. */
  readonly kind: "root" | "shown" | "system";
  /** Levels of folders below it that are looked at for guarded names; null: none, not even itself. */
  readonly guardLevels: number | null;
}

export interface Closings {
  /** Hidden: absolute paths, sorted. */
  readonly unreadable: readonly string[];
  /** Shown and not writable: absolute paths, sorted. */
  readonly readOnly: readonly string[];
  /** Starts that are not there or may not be shown at all. */
  readonly gone: readonly string[];
  readonly dropped: readonly string[];
  /** Starts that may be read only. */
  readonly unwritable: readonly string[];
  /** Whether not all folders were looked at for guarded names. */
  readonly limited: boolean;
  /** Two equal texts: the same names are closed, and the same files stand behind them. */
  readonly state: string;
}

export interface Walk {
  /** Throws CageUnavailable when the rules cannot be enforced here. */
  glance(): Closings;
}

/**
 * More folders than this are not walked. A rule with wildcards is then not enforced in part: the
 * cage is refused, because what was not looked at may be just what the rule is for, and the
 * sentence says what to do. (Hiding what was not looked at would break builds without a word.)
 * Folders named node_modules are entered only by rules that spell this name out, so the sources of
 * one person stay far below it.
 */
const foldersMax = 32_768;
/** A root with more folders than this is guarded only as far as was looked. */
const guardFoldersMax = 512;
/** More paths than this would not fit on bubblewrap's command line. */
const pathsMax = 400;
/** A change this long ago cannot have another one in the same tick of the kernel's clock… */
const tickMs = 50;
/** …or of a file system that keeps whole seconds only. */
const coarseTickMs = 2_100;

interface Node {
  readonly path: string;
  readonly trail: Trail;
  readonly guardLevels: number | null;
  /** The folder's name, when it holds guarded names and is looked at for nothing else. */
  readonly holds: string | null;
  readonly start: boolean;
  id: string;
  changed: bigint;
  fresh: boolean;
  /** What lies in it cannot be told, so it is closed whole. */
  opaque: boolean;
  children: readonly Node[];
  found: readonly Found[];
}

export function openWalk(starts: readonly Start[], clock: Clock): Walk {
  const tops = starts.map((start) => nodeAt({ ...start, holds: null, start: true }));
  const roots = starts.filter(({ kind }) => kind === "root").map(({ path }) => path);
  const own = starts.filter(({ kind }) => kind !== "system");
  const twins = openTwins(own.map(({ path }) => path));
  return {
    glance() {
      const { nodes, limited } = visit(tops, clock);
      const found = nodes.flatMap((node) => [
        ...node.found,
        ...(node.opaque && !node.start
          ? [{ path: node.path, read: true, write: true, guarded: false }]
          : []),
      ]);
      const named = found.filter((one) => !one.guarded);
      if (named.length > pathsMax) throw tooManyPaths(named);
      const guarded = found.filter((one) => one.guarded).slice(0, pathsMax - named.length);
      const cut = named.length + guarded.length < found.length;
      return closingsOf({
        tops,
        limited: limited || cut,
        found: resolve([...named, ...guarded], roots, twins),
      });
    },
  };
}

/** Breadth first, so that what a limit leaves out lies deepest. */
function visit(
  tops: readonly Node[],
  clock: Clock,
): { readonly nodes: readonly Node[]; readonly limited: boolean } {
  const nodes: Node[] = [...tops];
  let walked = 0;
  let guarded = 0;
  let limited = false;
  for (const node of nodes) {
    if (node.trail.open) {
      walked += 1;
      if (walked > foldersMax) throw tooManyFolders(tops);
    } else if (node.guardLevels !== null || node.holds !== null) {
      guarded += 1;
      if (guarded > guardFoldersMax) {
        limited = true;
        node.children = [];
        node.found = [];
        node.changed = -1n;
        continue;
      }
    }
    refresh(node, clock);
    nodes.push(...node.children);
  }
  return { nodes, limited };
}

function nodeAt(place: Pick<Node, "path" | "trail" | "guardLevels" | "holds" | "start">): Node {
  return {
    ...place,
    id: "",
    changed: -1n,
    fresh: false,
    opaque: false,
    children: [],
    found: [],
  };
}

function refresh(node: Node, clock: Clock): void {
  const stat = statOf(node.path);
  const id = stat === null ? "" : idOf(stat);
  const changed = stat?.ctimeNs ?? -1n;
  if (id === node.id && changed === node.changed && !node.fresh) return;
  node.id = id;
  node.changed = changed;
  const tick = changed % 1_000_000_000n === 0n ? coarseTickMs : tickMs;
  node.fresh = stat !== null && clock.now() - Number(stat.ctimeMs) < tick;
  if (stat?.isDirectory() !== true || !(node.trail.open || guards(node))) return forget(node);
  const entries = entriesOf(node.path);
  if (entries === null) {
    forget(node);
    // The cage's user owns it and may open it again.
    node.opaque = node.trail.open;
    return;
  }
  read(node, entries);
}

function guards(node: Node): boolean {
  return node.guardLevels !== null || node.holds !== null;
}

function forget(node: Node): void {
  node.opaque = false;
  node.children = [];
  node.found = [];
}

function read(node: Node, entries: readonly Entry[]): void {
  const before = new Map(node.children.map((child) => [child.path, child]));
  const children: Node[] = [];
  const found: Found[] = [];
  let opaque = false;
  const add = (child: Node): void => void children.push(before.get(child.path) ?? child);
  for (const { name, kind } of entries) {
    const path = join(node.path, name);
    const trail = trailInto(node, name, kind);
    const { closed, open } = trail;
    const named = closed.read || (closed.write && !node.trail.closed.write);
    // A name that is not UTF-8 cannot be written on a command line from here.
    if ((named || (open && kind === "folder")) && name.includes("\uFFFD")) opaque = true;
    else if (named) found.push({ path, ...closed, guarded: false });
    const guard = guardOf(name, kind);
    const levels = levelsBelow(node, name);
    if (node.guardLevels !== null && guard === "guarded") found.push(guarded(path));
    if (kind !== "folder" || closed.read) continue;
    const holds = node.guardLevels !== null && guard === "holds" ? name : null;
    if (open || levels !== null || holds !== null) {
      add(
        nodeAt({ path, trail, guardLevels: holds === null ? levels : null, holds, start: false }),
      );
    }
  }
  if (node.holds !== null) {
    const present = new Set(entries.filter(({ kind }) => kind !== "link").map(({ name }) => name));
    found.push(...guardedIn(node.holds, present).map((name) => guarded(join(node.path, name))));
  }
  node.opaque = opaque;
  node.children = opaque && !node.start ? [] : children;
  node.found = opaque && !node.start ? [] : found;
}

function trailInto(node: Node, name: string, kind: EntryKind): Trail {
  if (!node.trail.open) return node.trail;
  return kind === "folder" && isForeign(name) ? node.trail.stepInto(name) : node.trail.step(name);
}

function levelsBelow(node: Node, name: string): number | null {
  const { guardLevels } = node;
  return guardLevels === null || guardLevels === 0 || isForeign(name) ? null : guardLevels - 1;
}

function guarded(path: string): Found {
  return { path, read: false, write: true, guarded: true };
}

interface Seen {
  readonly tops: readonly Node[];
  readonly limited: boolean;
  readonly found: readonly Resolved[];
}

function closingsOf({ tops, limited, found }: Seen): Closings {
  const pathsOf = (some: readonly { readonly path: string }[]): readonly string[] =>
    [...new Set(some.map(({ path }) => path))].sort();
  const unreadable = pathsOf(found.filter(({ read }) => read));
  const hidden = new Set(unreadable);
  const readOnly = pathsOf(found.filter(({ path, read }) => !read && !hidden.has(path)));
  return {
    unreadable,
    readOnly,
    gone: pathsOf(tops.filter(({ id }) => id === "")),
    dropped: pathsOf(tops.filter(({ trail, opaque }) => trail.closed.read || opaque)),
    unwritable: pathsOf(tops.filter(({ trail }) => trail.closed.write)),
    limited,
    state: JSON.stringify([
      tops.map(({ path, id, opaque }) => [path, id, opaque]),
      found.map(({ path, id, read }) => [path, id, read]),
    ]),
  };
}

function tooManyFolders(tops: readonly Node[]): CageUnavailable {
  const open = tops.filter(({ trail }) => trail.open).map(({ path }) => path);
  return new CageUnavailable(
    `The policy's Read and Edit rules cannot be enforced: ${open.join(", ")} hold more than ${foldersMax} folders to look through`,
    "Write these rules without ** (./app/.env instead of **/.env), or name smaller folders as roots",
  );
}

function tooManyPaths(found: readonly Found[]): CageUnavailable {
  return new CageUnavailable(
    `The policy's Read and Edit rules name more than ${pathsMax} files, such as ${found[0]?.path ?? ""}`,
    "Name the folders that hold them instead of the files",
  );
}
