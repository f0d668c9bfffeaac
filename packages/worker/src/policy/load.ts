// The worker's own rules. They come from a file on this computer and from nowhere else; what the
// server sends can only be narrower.

import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { messageOf } from "@openclaw-worker/base";
import { canonicalJson } from "@openclaw-worker/protocol";
import { hasCode } from "../errno.ts";
import { JsonProblem, parseJsonc, type JsonNode } from "./jsonc.ts";
import { checkRoot, type Root, type Surroundings } from "./roots.ts";

export type PolicyDefault = "cage" | "ask" | "deny";

export interface Policy {
  readonly roots: readonly [Root, ...Root[]];
  /** What happens to a task that no rule names. */
  readonly default: PolicyDefault;
  /** Where it came from, for people: a file's path or a variable's name. */
  readonly source: string;
  /** SHA-256 over the policy's canonical JSON, in hex: two workers with one digest decide alike. */
  readonly digest: string;
}

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
}

interface Wish {
  readonly roots: readonly string[];
  readonly default: PolicyDefault;
  readonly source: string;
}

const fileBytesMax = 1_048_576;
const rootsMax = 64;
const rootsVariable = "OPENCLAW_WORKER_ROOTS";

/** Reads the policy and checks every root on the disk. Never throws: a broken policy is an answer. */
export function loadPolicy(options: PolicyOptions): PolicyLoad {
  let wish: Wish | null;
  try {
    const text = readOwned(options.path, options.uid);
    wish = text === null ? wishFromRoots(options.roots) : parsePolicy(text, options.path);
  } catch (thrown) {
    const where = thrown instanceof JsonProblem ? `:${thrown.at.line}:${thrown.at.column}` : "";
    return { kind: "refused", because: [`${options.path}${where}: ${messageOf(thrown)}`] };
  }
  if (wish === null) return { kind: "missing" };
  const { source } = wish;
  const checks = wish.roots.map((name) => checkRoot(name, options.around));
  const because = checks.flatMap((check) =>
    check.kind === "refused" ? [`${source}: ${check.because}`] : [],
  );
  const found = checks.flatMap((check) => (check.kind === "root" ? [check.root] : []));
  const [first, ...rest] = found.filter(
    (root, index) => found.findIndex(({ path }) => path === root.path) === index,
  );
  if (because.length > 0 || first === undefined) {
    return {
      kind: "refused",
      because: because.length > 0 ? because : [`${source}: "roots" names no folder`],
    };
  }
  const notes =
    options.roots !== null && source === options.path
      ? [`${rootsVariable} is not used: ${options.path} is there, and it wins`]
      : [];
  const said = { default: wish.default, roots: [first, ...rest].map(({ path }) => path) };
  const digest = createHash("sha256").update(canonicalJson(said)).digest("hex");
  return {
    kind: "policy",
    notes,
    policy: { roots: [first, ...rest], default: wish.default, source, digest },
  };
}

/**
 * The text of a policy file, as a wish that no disk has confirmed yet.
 * @throws JsonProblem with the position of the first thing that is wrong
 */
export function parsePolicy(text: string, source: string): Wish {
  const tree = parseJsonc(text);
  if (tree.kind !== "object")
    throw new JsonProblem(tree.at, 'a policy is an object: { "roots": […] }');
  let roots: readonly string[] | null = null;
  let fallback: PolicyDefault = "cage";
  for (const { key, at, value } of tree.members) {
    if (key === "roots") roots = readRoots(value);
    else if (key === "default") fallback = readDefault(value);
    else if (key !== "$schema")
      throw new JsonProblem(
        at,
        `unknown key ${JSON.stringify(key)}: known are "roots" and "default"`,
      );
  }
  if (roots === null)
    throw new JsonProblem(tree.at, '"roots" is missing: name the folders that tasks may use');
  return { roots, default: fallback, source };
}

function readRoots(node: JsonNode): readonly string[] {
  if (node.kind !== "array") throw new JsonProblem(node.at, '"roots" must be a list of folders');
  if (node.items.length === 0)
    throw new JsonProblem(node.at, '"roots" must name at least one folder');
  if (node.items.length > rootsMax)
    throw new JsonProblem(node.at, `"roots" may name at most ${rootsMax} folders`);
  return node.items.map((item) => {
    if (item.kind !== "string") throw new JsonProblem(item.at, "a root is a text in double quotes");
    return item.text;
  });
}

function readDefault(node: JsonNode): PolicyDefault {
  if (
    node.kind === "string" &&
    (node.text === "cage" || node.text === "ask" || node.text === "deny")
  )
    return node.text;
  throw new JsonProblem(node.at, '"default" must be "cage", "ask" or "deny"');
}

function wishFromRoots(roots: string | null): Wish | null {
  const names = (roots ?? "").split(":").filter((name) => name !== "");
  return names.length === 0 ? null : { roots: names, default: "cage", source: rootsVariable };
}

/** The text of a file that only its owner can change, or null when there is none. */
function readOwned(file: string, uid: number): string | null {
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
    return readFileSync(opened, "utf8");
  } finally {
    closeSync(opened);
  }
}
