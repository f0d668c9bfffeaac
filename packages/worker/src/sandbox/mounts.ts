// Bubblewrap's arguments as the library makes them: filtered, read before they are trusted, bounded.

import { filterFd } from "./launcher.ts";
import { isWithin } from "./path.ts";
import { CageUnavailable } from "./unavailable.ts";

const mustHave = [
  "--new-session",
  "--die-with-parent",
  "--unshare-net",
  "--unshare-pid",
  "--unshare-user",
  "--proc",
  "--add-seccomp-fd",
] as const;

/** What a cage must be. */
export interface Asked {
  /** Absolute path of bubblewrap. */
  readonly bwrap: string;
  /** The only paths that may be writable. */
  readonly writable: readonly string[];
  /** Paths whose content must not be seen, and paths that must not be written. */
  readonly unreadable: readonly string[];
  readonly readOnly: readonly string[];
}

/** The same cage with the filter of system calls (filter.ts), which bubblewrap reads from `filterFd`. */
export function withFilter(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  if (end < 0) throw notAsAsked("it runs nothing");
  return [...argv.slice(0, end), "--add-seccomp-fd", String(filterFd), ...argv.slice(end)];
}

/**
 * Reads the arguments before they are trusted: exactly the asked paths are writable, the closed ones
 * closed, and every namespace is new. The library makes some folders writable that nobody asked for
 * (/tmp/claude, where it exists on the host); those are taken out, which can only narrow. It mounts
 * what can be read after what can be written: a writable folder in a readable one is put back.
 */
export function checkedCage(argv: readonly string[], asked: Asked): readonly string[] {
  const { bwrap, writable: paths } = asked;
  const end = argv.indexOf("--");
  const options = argv.slice(0, end);
  const command = argv.slice(end);
  const missing = mustHave.filter((option) => !options.includes(option));
  if (end < 0 || argv[0] !== bwrap || missing.length > 0) {
    throw notAsAsked(
      missing.length > 0 ? `it lacks ${missing.join(", ")}` : "it is not bubblewrap's",
    );
  }
  if (!command.some((word) => word.includes("/apply-seccomp")))
    throw notAsAsked("it lacks seccomp");
  if (options[options.indexOf("--add-seccomp-fd") + 1] !== String(filterFd))
    throw notAsAsked("it lacks the filter of system calls");
  const kept: string[] = [];
  const writable = new Set<string>();
  for (let at = 0; at < options.length; at += 1) {
    const [option = "", source = "", target = ""] = options.slice(at, at + 3);
    if (/^--(dev-bind|bind-try|dev-bind-try|overlay|setenv|seccomp)/.test(option)) {
      throw notAsAsked(`it uses ${option}`);
    }
    if (option !== "--bind" && option !== "--ro-bind") {
      kept.push(option);
      continue;
    }
    at += 2;
    if (option === "--ro-bind") {
      kept.push(option, source, target);
      const inside = [...writable].filter((path) => path !== target && isWithin(path, target));
      kept.push(...inside.flatMap((path) => ["--bind", path, path]));
    } else if (source === target && paths.includes(target)) {
      kept.push(option, source, target);
      writable.add(target);
    }
  }
  const unbound = paths.filter((path) => !writable.has(path));
  if (unbound.length > 0)
    throw notAsAsked(`these folders are not writable in it: ${unbound.join(", ")}`);
  checkClosed(mountsIn(kept), asked);
  return [...kept, ...command];
}

interface Mount {
  readonly kind: "writable" | "readable" | "empty";
  readonly place: string;
}

function mountsIn(options: readonly string[]): readonly Mount[] {
  return options.flatMap((option, at): readonly Mount[] => {
    const [source = "", target = ""] = options.slice(at + 1, at + 3);
    if (option === "--tmpfs") return [{ kind: "empty", place: source }];
    if (option === "--bind") return [{ kind: "writable", place: target }];
    if (option !== "--ro-bind") return [];
    // The device cannot be opened through such a mount, so the file is closed and not empty.
    return [{ kind: source === "/dev/null" ? "empty" : "readable", place: target }];
  });
}

/** The last mount over a place is what a task finds there. */
function checkClosed(mounts: readonly Mount[], { unreadable, readOnly }: Asked): void {
  const at = (path: string): Mount | undefined =>
    mounts.findLast(({ place }) => isWithin(path, place));
  const seen = unreadable.find((path) => at(path)?.kind !== "empty");
  if (seen !== undefined) throw notAsAsked(`${seen} can be read in it`);
  const written = readOnly.find((path) => at(path)?.kind === "writable");
  if (written !== undefined) throw notAsAsked(`${written} can be written in it`);
}

/** Room of the folders in memory that a task can write, in bytes. */
export interface Scratch {
  /** The user's home, whose place is a folder in memory or lies in one. */
  readonly home: string;
  /** Each of: the home, /tmp. */
  readonly largeBytes: number;
  /** /dev/shm. */
  readonly sharedBytes: number;
  /** Closed folders, in whose place there is an empty one. */
  readonly closed: readonly string[];
}

/** Other folders that the cage has in memory are empty, and hold at most mount points. */
const smallBytes = 4_194_304;

/**
 * Gives every folder in memory a size: without one it may grow to half of the machine's memory,
 * and there are many. A closed folder is made read-only, so that what a task writes there fails
 * instead of vanishing; /dev keeps its devices and nothing else. Exported for its tests.
 */
export function boundedMounts(argv: readonly string[], scratch: Scratch): readonly string[] {
  const end = argv.indexOf("--");
  const places = argv.flatMap((word, at) =>
    word === "--tmpfs" && at < end ? [argv[at + 1] ?? ""] : [],
  );
  const home = places
    .filter((place) => isWithin(scratch.home, place))
    .toSorted((left, right) => right.length - left.length)[0];
  const bounded: string[] = [];
  for (let at = 0; at < end; at += 1) {
    const word = argv[at] ?? "";
    const place = argv[at + 1] ?? "";
    if (word === "--tmpfs") {
      const large = place === home || place === "/tmp";
      bounded.push("--size", String(large ? scratch.largeBytes : smallBytes), word, place);
    } else if (word === "--dev") {
      const shared = ["--perms", "1777", "--size", String(scratch.sharedBytes)];
      bounded.push(word, place, ...shared, "--tmpfs", `${place}/shm`, "--remount-ro", place);
    } else {
      bounded.push(word);
      continue;
    }
    at += 1;
  }
  const closed = scratch.closed.filter((place) => places.includes(place));
  return [...bounded, ...closed.flatMap((place) => ["--remount-ro", place]), ...argv.slice(end)];
}

function notAsAsked(what: string): CageUnavailable {
  return new CageUnavailable(
    `The cage is not what was asked for: ${what}`,
    "Check that every folder of the policy exists and is no symbolic link, then run: openclaw-worker doctor",
  );
}
