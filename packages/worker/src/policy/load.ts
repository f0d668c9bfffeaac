// The worker's own rules. They come from a file on this computer and from nowhere else; what the
// server sends can only be narrower.

import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  watch,
} from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import { canonicalJson } from "@openclaw-worker/protocol";
import { hasCode } from "../errno.ts";
import { problemAbove } from "../trust.ts";
import { bookOf, type Policy } from "./book.ts";
import { checkExamples } from "./examples.ts";
import { JsonProblem } from "./jsonc.ts";
import { parsePolicy, type Wish } from "./parse.ts";
import { isWithin } from "./paths.ts";
import { checkRoot, type Root, type Surroundings } from "./roots.ts";

export type { Policy, PolicyDefault } from "./book.ts";

export type PolicyLoad =
  | { readonly kind: "policy"; readonly policy: Policy; readonly notes: readonly string[] }
  /** There is neither a file nor a list of roots. */
  | { readonly kind: "missing" }
  /** Each sentence says what is wrong, why, and what to do. */
  | { readonly kind: "refused"; readonly because: readonly string[] };

export interface PolicyOptions {
  /** The policy file; it wins over `roots` when it is there. */
  readonly path: string;
  /** Value of OPENCLAW_WORKER_ROOTS (`/a:/b`), or null when it is not set. */
  readonly roots: string | null;
  /** User that must own the file (root may own it too). */
  readonly uid: number;
  readonly around: Surroundings;
  /** True: only look. A file that others can read is then told, and not closed. */
  readonly look?: boolean;
}

const fileBytesMax = 1_048_576;
const rootsVariable = "OPENCLAW_WORKER_ROOTS";

/** Reads the policy and checks every root on the disk. Never throws: a broken policy is an answer. */
export function loadPolicy(options: PolicyOptions): PolicyLoad {
  const { around, uid } = options;
  let found: Found | null;
  try {
    const file = readOwned(options);
    found =
      file === null
        ? wishFromRoots(options.roots)
        : { ...file, wish: parsePolicy(file.text), source: options.path };
  } catch (thrown) {
    return { kind: "refused", because: [`${options.path}${placeIn(thrown)}`] };
  }
  if (found === null) return { kind: "missing" };
  const { wish, source, real } = found;
  const checks = wish.file.roots.map((name) => checkRoot(name, around, uid));
  const because = checks.flatMap((check) =>
    check.kind === "refused" ? [`${source}: ${check.because}`] : [],
  );
  if (because.length > 0) return { kind: "refused", because };
  const fit = checks.filter((check) => check.kind === "root");
  const roots = fit.map(({ root }) => root);
  const holder = roots.find((root) => real !== null && isWithin(real, root.path));
  if (holder !== undefined) {
    return {
      kind: "refused",
      because: [
        `${source} lies in ${holder.path}, which tasks may write: they could loosen it. Move it out: mv '${real}' '${around.stateHome}/policy.json'`,
      ],
    };
  }
  try {
    const policy = policyOf(wish, { source, roots, homes: [around.homeName, around.home] });
    const shadowed = options.roots !== null && source === options.path;
    const notes = [
      ...found.notes,
      ...fit.flatMap((check) => check.notes.map((note) => `${source}: ${note}`)),
      ...(shadowed ? [`${rootsVariable} is not used: ${options.path} is there, and it wins`] : []),
    ];
    return { kind: "policy", policy, notes };
  } catch (thrown) {
    return { kind: "refused", because: [`${source}${placeIn(thrown)}`] };
  }
}

export interface PolicyPlace {
  readonly source: string;
  /** As they were found on the disk; a place that is named twice counts once. */
  readonly roots: readonly Root[];
  /** The home as the user names it, and its real path. */
  readonly homes: readonly [string, ...string[]];
}

/**
 * What a file says, in force at a place.
 * @throws JsonProblem when an example beside a rule does not hold
 */
export function policyOf(wish: Wish, { source, roots, homes }: PolicyPlace): Policy {
  const [first, ...rest] = roots.filter(
    (root, index) => roots.findIndex(({ path }) => path === root.path) === index,
  );
  if (first === undefined) throw new Error('"roots" names no folder');
  const { $schema: _, roots: _names, default: fallback = "cage", ...more } = wish.file;
  const said = { default: fallback, roots: [first, ...rest].map(({ path }) => path), ...more };
  const digest = createHash("sha256").update(canonicalJson(said)).digest("hex");
  const bare: Policy = { roots: [first, ...rest], default: fallback, source, digest };
  if (Object.keys(more).length === 0) return bare;
  const policy = { ...bare, book: bookOf(wish, { homes: [...homes], roots: bare.roots }) };
  checkExamples(wish.rules, policy);
  return policy;
}

/** Calls `changed` whenever the file may have changed, also when it is made, moved or removed. */
export function watchPolicyFile(file: string, changed: () => void): Disposable {
  // The folders, because editors put a new file in the old one's place. Where the name is a link,
  // the file that it leads to is edited, and perhaps the link.
  const files = new Set([file, realOf(file)]);
  const watchers = [...files].map((one) => {
    const watcher = watch(path.dirname(one), { persistent: false }, (_event, name) => {
      if (name === null || name === path.basename(one)) changed();
    });
    // A folder that goes away is noticed when the policy is read.
    return watcher.on("error", changed);
  });
  return { [Symbol.dispose]: () => watchers.forEach((watcher) => watcher.close()) };
}

function realOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

/** `:line:column: what is wrong`, without the place when it has none. */
function placeIn(thrown: unknown): string {
  const where = thrown instanceof JsonProblem ? `:${thrown.at.line}:${thrown.at.column}` : "";
  return `${where}: ${messageOf(thrown)}`;
}

interface Found extends Omit<OwnedFile, "text" | "real"> {
  readonly wish: Wish;
  readonly source: string;
  /** The file's real path; null when there is no file. */
  readonly real: string | null;
}

function wishFromRoots(roots: string | null): Found | null {
  const names = (roots ?? "").split(":").filter((name) => name !== "");
  if (names.length === 0) return null;
  return {
    wish: { file: { roots: names }, rules: [] },
    source: rootsVariable,
    real: null,
    notes: [],
  };
}

interface OwnedFile {
  readonly text: string;
  readonly real: string;
  readonly notes: readonly string[];
}

/**
 * Reads a file that nobody but its owner can change, or null when there is none. Others who can read
 * it are shut out: it tells a thief what to ask for.
 */
function readOwned({ path: file, uid, look }: PolicyOptions): OwnedFile | null {
  let opened: number;
  try {
    opened = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return null;
    throw thrown;
  }
  try {
    const seen = fstatSync(opened);
    if (!seen.isFile()) throw new Error("is not a file");
    if (seen.size > fileBytesMax) throw new Error(`is longer than ${fileBytesMax} bytes`);
    if (seen.uid !== uid && seen.uid !== 0)
      throw new Error(`belongs to another user: take it with  sudo chown "$(id -un)" '${file}'`);
    if ((seen.mode & 0o022) !== 0)
      throw new Error(`can be changed by other users: close it with  chmod 600 '${file}'`);
    const real = realpathSync(file);
    const open = problemAbove(real, uid, statSync);
    if (open !== null) throw new Error(open);
    const notes: string[] = [];
    if ((seen.mode & 0o077) !== 0 && seen.uid === uid) {
      if (look === true) notes.push(`${file} can be read by other users: chmod 600 '${file}'`);
      else fchmodSync(opened, 0o600);
    }
    return { text: readFileSync(opened, "utf8"), real, notes };
  } finally {
    closeSync(opened);
  }
}
