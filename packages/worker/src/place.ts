import path from "node:path";
import { never } from "@openclaw-worker/base";
import type { Needs, Spec } from "@openclaw-worker/protocol";
import type { Placed } from "./job.ts";
import { fillAction } from "./policy/action.ts";
import { expandHome, isWithin } from "./policy/paths.ts";
import type { Root } from "./policy/roots.ts";
import type { ActionFile } from "./policy/schema.ts";

/** Where a task happens. */
export type Placement =
  | {
      readonly kind: "placed";
      readonly placed: Placed;
      readonly cwd: string;
      /** The action that it is, by name. */
      readonly action?: string;
    }
  /** This worker cannot run it, wherever it is. */
  | {
      readonly kind: "unrunnable";
      readonly outcome: "failed" | "refused";
      readonly because: string;
      /** What the worker's owner can do about it. */
      readonly hint?: string;
    };

export interface Ground {
  /** Absolute home folder of the worker's user: what `~/` means. */
  readonly home: string;
  /** At least one; relative names start at the first. */
  readonly roots: readonly [Root, ...Root[]];
  /** What the worker's owner defined, by name. */
  readonly actions?: Readonly<Record<string, ActionFile>>;
}

/**
 * Gives every name in a spec one meaning: absolute, normal, by the roots' real paths. What is
 * decided about is then what runs. Looks at no disk, so that the same spec always lands alike.
 */
export function place(spec: Spec, ground: Ground): Placement {
  const first = ground.roots[0].path;
  switch (spec.kind) {
    case "command":
    case "exec": {
      const cwd = spec.cwd === undefined ? first : locate(spec.cwd, ground);
      if (cwd === null) return badName("cwd");
      if (holdsNul(spec.kind === "command" ? [spec.command] : spec.argv)) return badName("command");
      if (spec.needs === undefined) return { kind: "placed", placed: { ...spec, cwd }, cwd };
      const needs = locateNeeds(spec.needs, ground);
      if (needs === null) return badName("needs");
      return { kind: "placed", placed: { ...spec, cwd, needs }, cwd };
    }
    case "file-read":
    case "file-write":
    case "file-edit":
    case "file-list": {
      const name = locate(spec.path, ground);
      if (name === null) return badName("path");
      return { kind: "placed", placed: { ...spec, path: name }, cwd: first };
    }
    case "claude-cli":
    case "codex-cli":
    case "gemini-cli":
    case "agent":
      return {
        kind: "unrunnable",
        outcome: "failed",
        because: "no agent driver yet on this worker",
      };
    case "action":
      return placeAction(spec, ground);
    default:
      return never(spec);
  }
}

/** An action runs as the argv that its owner wrote, filled with the submitter's values. */
function placeAction(spec: Extract<Spec, { kind: "action" }>, ground: Ground): Placement {
  const { actions = {} } = ground;
  const action = Object.hasOwn(actions, spec.action) ? actions[spec.action] : undefined;
  if (action === undefined) {
    const hint = 'define it under "actions" in the policy';
    return { kind: "unrunnable", outcome: "refused", because: "no such action", hint };
  }
  const inRoots = (name: string): string | null => {
    const place = locate(name, ground);
    return place !== null && ground.roots.some((root) => isWithin(place, root.path)) ? place : null;
  };
  const filled = fillAction(action, spec.params, inRoots);
  if (filled.kind === "refused") {
    return { kind: "unrunnable", outcome: "refused", because: filled.because };
  }
  const cwd = ground.roots[0].path;
  const argv = [...filled.argv];
  return { kind: "placed", placed: { kind: "exec", argv, cwd }, cwd, action: spec.action };
}

/** The one absolute path that a name stands for, or null when it can stand for none. */
function locate(name: string, { home, roots }: Ground): string | null {
  if (holdsNul([name])) return null;
  const absolute = path.resolve(roots[0].path, expandHome(name, home));
  // A home or a root may be reached through a link: `~/openclaw/x` means the root's real place.
  const root = roots
    .filter(({ named }) => isWithin(absolute, named))
    .toSorted((a, b) => b.named.length - a.named.length)[0];
  return root === undefined ? absolute : path.join(root.path, absolute.slice(root.named.length));
}

/** What a task needs, by the one absolute path that each name stands for; null as for a name. */
function locateNeeds(needs: Needs, ground: Ground): Needs | null {
  const located = (names: readonly string[] | undefined): string[] | undefined =>
    names?.flatMap((name) => locate(name, ground) ?? []);
  const [read, write] = [located(needs.read), located(needs.write)];
  if (read?.length !== needs.read?.length || write?.length !== needs.write?.length) return null;
  return {
    ...needs,
    ...(read === undefined ? {} : { read }),
    ...(write === undefined ? {} : { write }),
  };
}

// The system ends a name at a NUL: what was decided about would not be what is opened.
function holdsNul(texts: readonly string[]): boolean {
  return texts.some((text) => text.includes("\0"));
}

function badName(field: string): Placement {
  return { kind: "unrunnable", outcome: "failed", because: `${field} holds a NUL character` };
}
