import path from "node:path";
import type { Host } from "../host.ts";
import { keyFileOf } from "../key/own.ts";
import type { AskFlags } from "../task-flags.ts";

export interface ApprovalFlags extends AskFlags {
  readonly remote?: boolean;
  readonly identity?: string;
}

export interface GrantFlags extends ApprovalFlags {
  readonly rule?: string;
  readonly for: string;
  readonly runs?: string;
  readonly perHour?: string;
}

/** The file of the key to sign with. */
export function identityOf(host: Host, { identity }: ApprovalFlags): string {
  return identity === undefined ? keyFileOf(host) : path.resolve(host.cwd, identity);
}
