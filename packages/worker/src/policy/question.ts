// What a policy can be asked, and what its rules can answer.

import type { Needs } from "@openclaw-worker/protocol";
import type { Rule } from "./book.ts";

/** What a policy can be asked. Paths are absolute and normal. */
export type Question =
  | {
      readonly kind: "command";
      readonly command: string;
      readonly cwd: string;
      /** The task brings standard input, or variables, of its own. */
      readonly fed: boolean;
      readonly hasEnv: boolean;
      /** What it says that it needs; paths are absolute. */
      readonly needs?: Needs | undefined;
    }
  | {
      readonly kind: "exec";
      readonly argv: readonly string[];
      readonly cwd: string;
      readonly fed: boolean;
      readonly hasEnv: boolean;
      /** The action that this argv is; null when a submitter wrote it. */
      readonly action: string | null;
      readonly needs?: Needs | undefined;
    }
  /** `replace` edits what is there, so it reads as well. */
  | { readonly kind: "read" | "edit" | "replace"; readonly path: string }
  | { readonly kind: "agent"; readonly name: string; readonly cwd: string }
  | { readonly kind: "domain"; readonly domain: string };

export type Answer = "allow" | "ask" | "refuse" | "default";

export interface Verdict {
  readonly answer: Answer;
  /** The rules that decided. */
  readonly rules: readonly Rule[];
  readonly because: string;
  /** Rules that would allow it; empty when none can. */
  readonly wanted: readonly string[];
  /** What else to do in the policy about it, when no rule helps. */
  readonly fix?: string;
  /** What to do about it, as a whole, when nothing in the policy helps. */
  readonly advice?: string;
  /** It runs outside of the cage: rules of `host` say so. */
  readonly outside?: boolean;
}
