// The policy as the worker would read it, for looking at it: without starting anything.

import fs from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import {
  checkRoot,
  JsonProblem,
  parsePolicy,
  policyOf,
  surroundingsOf,
  type Policy,
  type Root,
  type Surroundings,
  type Wish,
} from "@openclaw-worker/worker";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { expanded, placeOf } from "../place.ts";
import { findAccount } from "../root/account.ts";

export interface FileFlag {
  /** Another file than the one in force. */
  readonly policy?: string;
}

export interface PolicyFile {
  readonly path: string;
  /** User that it belongs to; the caller when there is no file. */
  readonly uid: number;
  /** Home of the worker's user: what `~/` means in it. */
  readonly home: string;
  readonly around: Surroundings;
}

export interface OpenedPolicy {
  readonly policy: Policy;
  readonly home: string;
  readonly around: Surroundings;
  /** Why the worker would not take it as it is: roots that are not there, say. */
  readonly troubles: readonly string[];
}

/** Where the policy is, and whose. */
export function policyFile(host: Host, flags: FileFlag): PolicyFile {
  const place = placeOf(host);
  const { policy: named } = flags;
  const file =
    named === undefined ? place.policy : path.resolve(host.cwd, expanded(named, host.home));
  const uid = fs.statSync(file, { throwIfNoEntry: false })?.uid ?? host.uid;
  // Root looks at the policy of the user that the worker runs as.
  const other = host.uid === 0 && uid !== 0 ? findAccount(String(uid)) : null;
  const home = other?.home ?? host.home;
  const around = surroundingsOf({ home, stateHome: place.home, installDir: host.installDir });
  return { path: file, uid, home, around };
}

/**
 * Reads the policy. A root that is not there stands for itself: what rules say does not depend on it.
 * @throws Failure with line and column when it cannot be read
 */
export function openPolicy(host: Host, flags: FileFlag): OpenedPolicy {
  const file = policyFile(host, flags);
  const { wish, source } = readWish(host, flags, file);
  const { around, home, uid } = file;
  const troubles: string[] = [];
  const roots = wish.file.roots.map((name): Root => {
    const check = checkRoot(name, around, uid);
    if (check.kind === "root") return check.root;
    troubles.push(check.because);
    const named = path.resolve(expanded(name, around.homeName));
    return { named, path: named };
  });
  try {
    const homes = [around.homeName, around.home] as const;
    return { policy: policyOf(wish, { source, roots, homes: [...homes] }), home, around, troubles };
  } catch (thrown) {
    throw broken(source, thrown);
  }
}

/** The policy as `openPolicy` reads it; null where there is none, or none that can be read. */
export function policyOrNull(host: Host, flags: FileFlag): Policy | null {
  try {
    return openPolicy(host, flags).policy;
  } catch (thrown) {
    if (thrown instanceof Failure) return null;
    throw thrown;
  }
}

function readWish(
  host: Host,
  flags: FileFlag,
  file: PolicyFile,
): { readonly wish: Wish; readonly source: string } {
  const variable = host.env["OPENCLAW_WORKER_ROOTS"] ?? "";
  if (flags.policy === undefined && variable !== "" && !fs.existsSync(file.path)) {
    const roots = variable.split(":").filter((name) => name !== "");
    return { wish: { file: { roots }, rules: [] }, source: "OPENCLAW_WORKER_ROOTS" };
  }
  let text: string;
  try {
    text = fs.readFileSync(file.path, "utf8");
  } catch (cause) {
    throw new Failure("There is no policy to look at", {
      why: messageOf(cause),
      remedy: "Make one: openclaw-worker policy init ~/openclaw",
      cause,
    });
  }
  try {
    return { wish: parsePolicy(text), source: file.path };
  } catch (thrown) {
    throw broken(file.path, thrown);
  }
}

function broken(source: string, thrown: unknown): Failure {
  const where = thrown instanceof JsonProblem ? `:${thrown.at.line}:${thrown.at.column}` : "";
  return new Failure("The policy is broken", {
    why: `${source}${where}: ${messageOf(thrown)}`,
    remedy: "Mend that place; until then the worker keeps the last good policy, or does not start.",
    cause: thrown,
  });
}
