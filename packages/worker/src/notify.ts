// A word on the desktop when something begins to wait for a person's yes. It says how many wait and
// nothing of what they are: anybody who sees the screen may read it. Nothing is told twice within a
// moment, and where there is no desktop nothing is told at all.

import path from "node:path";
import type { Clock } from "@openclaw-worker/base";
import { kindOf } from "./sandbox/folders.ts";
import { launcherEnv, toolFolders } from "./sandbox/launcher.ts";
import { runOnce } from "./sandbox/spawn.ts";

export interface NotifyParts {
  readonly clock: Clock;
  /** Of the worker's own environment, only where the session's bus is. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  /** Aborted when the worker ends. */
  readonly signal: AbortSignal;
  /** Where the desktop's programs may lie: folders that only root can write. */
  readonly folders?: readonly string[];
}

/** Told how many wait, whenever that has changed. Never throws, and waits for nothing. */
export type Notify = (waiting: number) => void;

const title = "OpenClaw Worker";
const calmMs = 3_000;
const showMs = 60_000;
const runMs = 5_000;

/** Null: this computer has no way to tell. */
export function findNotify(parts: NotifyParts): Notify | null {
  const { clock, signal } = parts;
  const telling = findProgram(parts);
  if (telling === null) return null;
  const now = { waiting: 0, unsaid: false, busy: false };
  const say = async (): Promise<void> => {
    now.busy = true;
    while (now.unsaid && now.waiting > 0 && !signal.aborted) {
      now.unsaid = false;
      const verb = now.waiting === 1 ? "waits" : "wait";
      const text = `${now.waiting} ${verb} for your yes: openclaw-worker approvals`;
      const once = { argv: telling.argv(text), env: telling.env, cwd: "/", clock, signal };
      await runOnce({ ...once, timeoutMs: runMs, outputBytesMax: 65_536 }).catch(() => {});
      await clock.sleep(calmMs, signal).catch(() => {});
    }
    now.busy = false;
  };
  return (waiting) => {
    if (waiting > now.waiting) now.unsaid = true;
    now.waiting = waiting;
    if (now.unsaid && !now.busy) void say();
  };
}

interface Telling {
  readonly argv: (text: string) => readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

function findProgram({ env, platform, folders = toolFolders }: NotifyParts): Telling | null {
  const find = (name: string): string | null =>
    folders.map((folder) => path.join(folder, name)).find((file) => kindOf(file) === "file") ??
    null;
  // AppleScript's texts are quoted as JSON's are. Written after its manual; no test has run it.
  const osascript = platform === "darwin" ? find("osascript") : null;
  if (osascript !== null) {
    const script = (text: string): string =>
      `display notification ${JSON.stringify(text)} with title ${JSON.stringify(title)}`;
    return { argv: (text) => [osascript, "-e", script(text)], env: launcherEnv };
  }
  const bus = env["DBUS_SESSION_BUS_ADDRESS"] ?? "";
  // Another kind of address would start a program, or leave this computer.
  if (platform !== "linux" || !/^unix:(?:path|abstract)=[^;\s]+$/.test(bus)) return null;
  const own = { ...launcherEnv, DBUS_SESSION_BUS_ADDRESS: bus };
  const notifySend = find("notify-send");
  if (notifySend !== null) {
    const flags = [`--app-name=${title}`, `--expire-time=${showMs}`, "--"];
    return { argv: (text) => [notifySend, ...flags, title, text], env: own };
  }
  const gdbus = find("gdbus");
  if (gdbus === null) return null;
  const service = "org.freedesktop.Notifications";
  const call = [
    "call",
    "--session",
    "--dest",
    service,
    "--object-path",
    `/${service.replaceAll(".", "/")}`,
  ];
  // GVariant's texts are quoted as JSON's are.
  const named = JSON.stringify(title);
  return {
    argv(text) {
      const values = [named, "0", '""', named, JSON.stringify(text), "[]", "{}", String(showMs)];
      return [gdbus, ...call, "--method", `${service}.Notify`, ...values];
    },
    env: own,
  };
}
