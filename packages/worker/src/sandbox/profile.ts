// From a cage to the library's configuration. Pure: the same cage on the same machine is the same
// profile. Reading is denied by default; what is allowed is listed here.

import {
  SandboxRuntimeConfigSchema,
  type SandboxRuntimeConfig,
} from "@anthropic-ai/sandbox-runtime";
import { z } from "zod";
import { isWithin } from "./path.ts";
import type { Shown } from "./shown.ts";

export interface Surroundings {
  /** The user's home: the cage has an empty folder at the same place. */
  readonly home: string;
  /** Never visible, whatever else is allowed. */
  readonly hidden: readonly string[];
  /** System folders that exist on this machine. */
  readonly system: readonly string[];
  /** Absolute paths of the programs that build a cage. */
  readonly tools: CageTools;
}

export interface CageTools {
  readonly bwrap: string;
  readonly socat: string;
  readonly ripgrep: string;
  readonly applySeccomp: string;
}

/** What is closed inside of what is shown: absolute paths that exist, but for guarded names. */
export interface Closed {
  /** Neither read nor written. */
  readonly unreadable: readonly string[];
  /** Read, and not written. */
  readonly readOnly: readonly string[];
}

/**
 * The library's configuration for a cage that shows `shown` without what is `closed` in it.
 * Throws a ZodError when a path is not absolute, and when the library would not understand it.
 */
export function profileOf(
  shown: Shown,
  surroundings: Surroundings,
  closed: Closed,
): SandboxRuntimeConfig {
  const { tools } = surroundings;
  const { readable, writable } = shown;
  // A folder that is shown whole again by a wider one would be mounted twice, the wider one last.
  const around = (path: string): boolean =>
    readable.some((folder) => folder !== path && isWithin(path, folder));
  const profile = strictProfile.parse({
    // No domain is allowed and no proxy runs: the cage has a network namespace with nothing in it.
    network: { allowedDomains: [], deniedDomains: [] },
    filesystem: {
      denyRead: [
        "/",
        surroundings.home,
        ...surroundings.hidden,
        ...tokenFiles(readable),
        ...closed.unreadable,
      ].map(exactly),
      allowRead: [
        ...surroundings.system,
        tools.applySeccomp,
        ...readable.filter((path) => !around(path)),
        ...writable,
      ].map(exactly),
      allowWrite: writable.map(exactly),
      denyWrite: closed.readOnly.map(exactly),
    },
    ripgrep: { command: tools.ripgrep },
    seccomp: { applyPath: tools.applySeccomp },
    bwrapPath: tools.bwrap,
    socatPath: tools.socat,
  });
  return SandboxRuntimeConfigSchema.parse(profile);
}

/** npm keeps the machine's registry tokens in the prefix of the tool itself. */
function tokenFiles(readable: readonly string[]): readonly string[] {
  return readable.map((prefix) => `${prefix === "/" ? "" : prefix}/etc/npmrc`);
}

/** A name, not a pattern: a folder may be called `[a]*`. */
function exactly(path: string): { readonly path: string; readonly literal: true } {
  return { path, literal: true };
}

const absolute = z
  .string()
  .regex(/^\/[^\0]*$/, "must be an absolute path")
  .refine((path) => !/(^|\/)\.\.?(\/|$)/.test(path), "must have no '.' or '..'");
const entry = z.strictObject({ path: absolute, literal: z.literal(true) });

// The library strips what it does not know and does not validate what it is given per command, so
// a misspelt key would be an open door. This one knows exactly what we mean to say.
const strictProfile = z.strictObject({
  network: z.strictObject({
    allowedDomains: z.array(z.never()),
    deniedDomains: z.array(z.never()),
  }),
  filesystem: z.strictObject({
    denyRead: z.array(entry).min(1),
    allowRead: z.array(entry),
    allowWrite: z.array(entry),
    denyWrite: z.array(entry),
  }),
  ripgrep: z.strictObject({ command: absolute }),
  seccomp: z.strictObject({ applyPath: absolute }),
  bwrapPath: absolute,
  socatPath: absolute,
});
