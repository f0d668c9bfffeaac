import type { Cage, Placed } from "../job.ts";
import { isWithin } from "./paths.ts";
import type { Policy } from "./load.ts";

/** What the policy says about one placed task. */
export type Decision =
  | { readonly kind: "allow"; readonly cage: Cage; readonly rule: string }
  | { readonly kind: "ask"; readonly cage: Cage; readonly because: string }
  | { readonly kind: "refuse"; readonly because: string; readonly remedy: string };

/** A task of a kind that this worker runs, with the folder that it starts in. */
export interface Subject {
  readonly placed: Placed;
  readonly cwd: string;
}

/**
 * Decides, and does nothing else: the same task and policy always give the same decision.
 * @param readable absolute real paths that caged tasks may read besides the roots
 */
export function decide(subject: Subject, policy: Policy, readable: readonly string[]): Decision {
  const { placed } = subject;
  const where = "path" in placed ? placed.path : subject.cwd;
  const roots = policy.roots.map((root) => root.path);
  if (!roots.some((root) => isWithin(where, root))) {
    return {
      kind: "refuse",
      because: `${"path" in placed ? "the path" : "the working folder"} ${JSON.stringify(where)} is outside the roots (${roots.join(", ")})`,
      remedy: `add its folder to the roots in ${policy.source}, on this computer`,
    };
  }
  const cage: Cage = { roots, readable };
  switch (policy.default) {
    case "cage":
      return { kind: "allow", cage, rule: "default: cage" };
    case "ask":
      return { kind: "ask", cage, because: "default: ask" };
    case "deny":
      return {
        kind: "refuse",
        because: "default: deny",
        remedy: `set "default" to "cage" in ${policy.source}, on this computer`,
      };
  }
}
