// Task objects as old, foreign workers know them (api.md, section 3): exactly these shapes.

import { never } from "@openclaw-worker/base";
import type { Task } from "./task.ts";

export type WireTask = Readonly<Record<string, unknown>>;

/** The task as an old worker expects it, or null when it is of a kind that old workers lack. */
export function toWireTask(task: Task): WireTask | null {
  const { spec } = task;
  const common = {
    id: task.id,
    timeout: task.timeoutMs,
    status: "running",
    createdAt: task.createdAt,
    ...(task.metadata === undefined ? {} : { metadata: task.metadata }),
  };
  switch (spec.kind) {
    case "command":
      return { ...common, type: "command", command: spec.command };
    case "file-read":
      return { ...common, type: spec.kind, path: spec.path };
    case "file-write":
      return {
        ...common,
        type: spec.kind,
        path: spec.path,
        content: spec.content,
        encoding: spec.encoding,
      };
    case "file-edit": {
      const { path, oldString, newString, replaceAll } = spec;
      return { ...common, type: spec.kind, path, oldString, newString, replaceAll };
    }
    case "claude-cli":
    case "codex-cli":
    case "gemini-cli": {
      const { kind, ...fields } = spec;
      return { ...common, type: kind, ...fields };
    }
    case "exec":
    case "file-list":
    case "agent":
    case "action":
      return null;
    default:
      return never(spec);
  }
}
