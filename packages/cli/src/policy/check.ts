import { join } from "node:path";
import {
  emptyRing,
  loadKeyRing,
  loadPolicy,
  policyNotes,
  type PolicyLoad,
} from "@openclaw-worker/worker";
import { exitCodes } from "../failure.ts";
import type { Host } from "../host.ts";
import { paintOf } from "../paint.ts";
import { placeOf } from "../place.ts";
import { policyFile, type FileFlag } from "./open.ts";

export interface CheckFlags extends FileFlag {
  readonly json?: boolean;
}

/** Reads the policy as the worker does, and says what is wrong or without effect in it. */
export function checkPolicy(host: Host, flags: CheckFlags): number {
  const file = policyFile(host, flags);
  const roots = flags.policy === undefined ? (host.env["OPENCLAW_WORKER_ROOTS"] ?? null) : null;
  const { path, uid, around } = file;
  const load = loadPolicy({ path, roots, uid, around, look: true });
  const errors = errorsOf(load, file.path);
  const notes =
    load.kind === "policy"
      ? [...load.notes, ...policyNotes(load.policy, around, submittersOf(host, uid))]
      : [];
  const code = errors.length === 0 ? exitCodes.ok : exitCodes.failed;
  if (flags.json === true) {
    const found = load.kind === "policy" ? load.policy : null;
    const said =
      found === null
        ? {}
        : {
            source: found.source,
            digest: found.digest,
            roots: found.roots.map(({ path }) => path),
          };
    host.stdout.write(`${JSON.stringify({ ok: errors.length === 0, errors, notes, ...said })}\n`);
    return code;
  }
  const paint = paintOf(host, host.stdout);
  for (const error of errors) host.stdout.write(`${paint.red("error")}  ${error}\n`);
  for (const note of notes) host.stdout.write(`${paint.yellow("note")}   ${note}\n`);
  if (load.kind === "policy") {
    const { source, default: fallback, digest } = load.policy;
    const summary = `${source}: ${countOf(load)}, default ${fallback}, digest ${digest.slice(0, 12)}`;
    host.stdout.write(`${paint.green("good")}   ${summary}\n`);
  }
  return code;
}

/** Names of the keys in force that may submit. */
function submittersOf(host: Host, uid: number): readonly string[] {
  const load = loadKeyRing({ file: join(placeOf(host).home, "keys.json"), uid });
  const { keys } = load.kind === "ring" ? load.ring : emptyRing;
  return keys
    .filter(({ roles, revokedAt }) => revokedAt === null && roles.includes("submitter"))
    .map(({ name }) => name);
}

function errorsOf(load: PolicyLoad, file: string): readonly string[] {
  if (load.kind === "refused") return load.because;
  if (load.kind === "missing")
    return [`there is no ${file}: openclaw-worker policy init ~/openclaw`];
  return [];
}

function countOf(load: Extract<PolicyLoad, { readonly kind: "policy" }>): string {
  const rules = Object.values(load.policy.book?.rules ?? {}).flat().length;
  return rules === 1 ? "1 rule" : `${rules} rules`;
}
