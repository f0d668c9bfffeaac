// What the files that a task runs hold, by their hashes: taken when a person is asked, and again
// before it runs. Opened below the roots only, by the library that no link leads out of them.

import { createHash, type Hash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { configureFsSafeNative, root } from "@openclaw/fs-safe";
import { messageOf } from "@openclaw-worker/base";
import { hasCode } from "../errno.ts";
import { folded, matchesPath, namesOf } from "../glob.ts";
import type { Cage } from "../job.ts";
import { isWithin } from "../policy/paths.ts";
import type { HashedFile } from "./request.ts";

export type Hashed =
  | { readonly kind: "files"; readonly files: readonly HashedFile[] }
  | { readonly kind: "refused"; readonly because: string };

export interface HashGround {
  readonly cage: Cage;
  /** Patterns of files that rules close, or ask about: nobody learns of them before the yes. */
  readonly guarded: readonly string[];
  /** This worker's own: the hash of a guarded file tells others nothing but that it changed. */
  readonly salt: Buffer;
  readonly signal: AbortSignal;
}

/** More names than these are not looked up on the disk. */
const namesMax = 4_096;
/** A request lists at most so many files, and what they hold together is read in a moment. */
const filesMax = 64;
const bytesMax = 268_435_456;

/**
 * Hashes those of the names that are files where tasks can write: what lies elsewhere no task has
 * changed. Sorted by path. Files that the cage closes are left out, because nothing in it can run
 * them; the hashes of guarded ones are salted.
 */
export async function hashFiles(names: readonly string[], ground: HashGround): Promise<Hashed> {
  configureFsSafeNative({ mode: "require" });
  if (names.length > namesMax) {
    return { kind: "refused", because: "it names more files than can be looked at" };
  }
  const files: HashedFile[] = [];
  let left = bytesMax;
  for (const name of names) {
    ground.signal.throwIfAborted();
    const found = await hashOne(name, ground, left);
    if (found.kind === "none") continue;
    if (found.kind === "refused") return found;
    if (files.length >= filesMax) {
      return { kind: "refused", because: `it names more than ${filesMax} files of the roots` };
    }
    left -= found.bytes;
    files.push({ path: name, sha256: found.sha256 });
  }
  return { kind: "files", files: files.toSorted((a, b) => (a.path < b.path ? -1 : 1)) };
}

type One =
  | { readonly kind: "hash"; readonly sha256: string; readonly bytes: number }
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly because: string };

async function hashOne(name: string, ground: HashGround, left: number): Promise<One> {
  const { cage, guarded, salt } = ground;
  try {
    // A link may lead from one place that tasks write to another.
    const real = await realpath(name);
    const place = placeOf(real, cage);
    const closed = cage.denyRead ?? [];
    if (place === null || isNamed(name, closed) || isNamed(real, closed)) return { kind: "none" };
    if (!(await stat(real)).isFile()) return { kind: "none" };
    const salted = isNamed(name, guarded) || isNamed(real, guarded);
    const hash = createHash("sha256").update(salted ? salt : "");
    return await hashBelow(place, real, { hash, left });
  } catch (thrown) {
    const gone = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"];
    if (gone.some((code) => hasCode(thrown, code))) return { kind: "none" };
    return { kind: "refused", because: `${name} cannot be looked at (${messageOf(thrown)})` };
  }
}

interface Hashing {
  readonly hash: Hash;
  readonly left: number;
}

async function hashBelow(place: string, real: string, { hash, left }: Hashing): Promise<One> {
  // Begins with a dot, because the library expands a leading `~`.
  const below = real === place ? "." : `./${real.slice(place.length + 1)}`;
  const opened = await root(place, { hardlinks: "allow", symlinks: "reject" });
  await using file = await opened.open(below, { nonBlockingRead: true });
  let bytes = 0;
  for await (const chunk of file.handle.createReadStream({ autoClose: false })) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > left) {
      const because = `the files that it runs are larger than ${bytesMax} bytes together`;
      return { kind: "refused", because };
    }
    hash.update(chunk);
  }
  return { kind: "hash", sha256: hash.digest("hex"), bytes };
}

/** The innermost folder that tasks can write and that holds it, or null. */
function placeOf(name: string, { roots, writable = [] }: Cage): string | null {
  const holders = [...roots, ...writable].filter((folder) => isWithin(name, folder));
  return holders.toSorted((a, b) => b.length - a.length)[0] ?? null;
}

function isNamed(name: string, patterns: readonly string[]): boolean {
  if (patterns.length === 0) return false;
  const names = namesOf(folded(name));
  return patterns.some((pattern) => matchesPath(namesOf(folded(pattern)), names));
}
