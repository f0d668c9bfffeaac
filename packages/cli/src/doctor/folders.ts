// The state on the disk: whose it is, who else could read or change it, whether there is room, and
// how long the disk takes to be sure. Nothing is changed.

import fs from "node:fs";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";
import type { Host } from "../host.ts";
import type { Place } from "../place.ts";
import { quoted } from "../root/folders.ts";
import { fail, ok, warn, type Row } from "./row.ts";

export function folderRows(host: Host, place: Place): readonly Row[] {
  if (!fs.existsSync(place.home)) {
    const why = "nothing has been started here yet";
    return [warn("state", `there is no ${place.home}`, { why, do: "openclaw-worker up" })];
  }
  const troubles = [
    ...aboveRows(host, place.home),
    ...[place.server, place.worker].flatMap((folder) => privateRows(host, folder, 0o700)),
    ...[place.client, place.policy].flatMap((file) => privateRows(host, file, 0o600)),
    ...[place.server, place.worker].flatMap((folder) => insideRows(host, folder)),
  ];
  const state =
    troubles.length > 0
      ? troubles
      : [ok("state", `${place.home}: owners and modes are right, and closed to other users`)];
  return [...state, ...diskRows(host, place)];
}

/** Whoever can change a folder above the state can put another in its place. */
function aboveRows(host: Host, home: string): readonly Row[] {
  const rows: Row[] = [];
  for (let folder = fs.realpathSync(home); ; folder = path.dirname(folder)) {
    const seen = fs.statSync(folder);
    const sticky = (seen.mode & 0o1000) !== 0 && folder !== home;
    if ((seen.mode & 0o022) !== 0 && !sticky) {
      rows.push(
        fail("state", `${folder} can be changed by other users`, {
          why: "they could put a policy and a token of their own in place of yours",
          do: `${sudo(host, seen.uid)}chmod go-w ${quoted(folder)}`,
        }),
      );
    }
    if (folder === path.dirname(folder)) return rows;
  }
}

/** A file or folder that only its owner may look into. What is not there is fine. */
function privateRows(host: Host, file: string, mode: number): readonly Row[] {
  const link = fs.lstatSync(file, { throwIfNoEntry: false });
  if (link === undefined) return [];
  const seen = fs.statSync(file, { throwIfNoEntry: false });
  if (seen === undefined) {
    const trouble = { why: "nothing can be read there", do: `rm ${quoted(file)}` };
    return [fail("state", `${file} is a link to nothing`, trouble)];
  }
  // As root the two halves belong to two users: which ones, the programs themselves look at.
  if (host.uid > 0 && seen.uid !== host.uid) {
    // Made by root for this user's worker to read.
    if (seen.uid === 0 && (seen.mode & 0o022) === 0) return [];
    return [
      fail("state", `${file} belongs to another user (number ${seen.uid})`, {
        why: "they could change it at any time; the worker does not start",
        do: `sudo chown -R "$(id -un)" ${quoted(file)}`,
      }),
    ];
  }
  if ((seen.mode & 0o077) === 0) return [];
  return [
    fail("state", `${file} is open to other users`, {
      why: "tokens, tasks and what the policy allows are nobody else's business",
      do: `${sudo(host, seen.uid)}chmod ${mode.toString(8)} ${quoted(file)}`,
    }),
  ];
}

function insideRows(host: Host, folder: string): readonly Row[] {
  let names: readonly string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    // Another user's half; its own doctor looks there.
    return [];
  }
  return names.flatMap((name) => {
    const file = path.join(folder, name);
    const seen = fs.lstatSync(file, { throwIfNoEntry: false });
    if (seen === undefined) return [];
    if (seen.isSymbolicLink() && name !== "token") {
      const why = "nothing that these programs make is one: the worker does not start";
      return [
        fail("state", `${file} is a link`, {
          why,
          do: `ls -l ${quoted(file)}; rm ${quoted(file)}`,
        }),
      ];
    }
    // In a folder that is closed, a file's own mode matters only for what holds a secret.
    return name === "token" ? privateRows(host, file, 0o600) : [];
  });
}

function sudo(host: Host, owner: number): string {
  return host.uid === 0 || host.uid === owner ? "" : "sudo ";
}

const lowBytes = 1e9;
const fullBytes = 1e8;
const slowFsyncMs = 20;
const fsyncSamples = 9;

function diskRows(host: Host, place: Place): readonly Row[] {
  // As root the halves are other users'; all of it lies on one disk.
  const folders = host.uid === 0 ? [] : [place.worker, place.server];
  const folder = [...folders, place.home].find(isWritable);
  if (folder === undefined) return [];
  try {
    const { bavail, bsize } = fs.statfsSync(folder);
    return [spaceRow(bavail * bsize, folder), fsyncRow(fsyncMs(host, folder))];
  } catch (thrown) {
    const why = `${messageOf(thrown)}; nothing is accepted or begun that the disk has not taken`;
    const trouble = { why, do: `df -h ${quoted(folder)}; touch ${quoted(folder)}/x` };
    return [fail("disk", `${folder} cannot be written`, trouble)];
  }
}

function isWritable(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Exported for its test. */
export function spaceRow(freeBytes: number, folder: string): Row {
  const free = `${(freeBytes / 1e9).toFixed(1)} GB free at ${folder}`;
  if (freeBytes >= lowBytes) return ok("disk", free);
  const why = "a full disk stops the taking of tasks: nothing begins that is not in the journal";
  const trouble = { why, do: `Make room: du -xh ${quoted(folder)} | sort -h | tail` };
  return freeBytes < fullBytes ? fail("disk", free, trouble) : warn("disk", free, trouble);
}

/** Exported for its test. */
export function fsyncRow(ms: number): Row {
  const what = `a small write is sure after ${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
  if (ms <= slowFsyncMs) return ok("fsync", what);
  return warn("fsync", what, {
    why: "three such waits stand between a submit and its result",
    do: "Put the state on a local disk: OPENCLAW_WORKER_HOME (a network disk or an SD card is slow)",
  });
}

/** The middle one of some writes that were made sure, as journal and store do. */
function fsyncMs(host: Host, folder: string): number {
  const file = path.join(folder, `.doctor-${host.clock.now()}`);
  const opened = fs.openSync(file, "wx", 0o600);
  try {
    const samples = Array.from({ length: fsyncSamples }, () => {
      const from = host.clock.monotonic();
      fs.writeSync(opened, Buffer.alloc(4_096));
      fs.fsyncSync(opened);
      return host.clock.monotonic() - from;
    });
    return samples.toSorted((a, b) => a - b)[Math.floor(fsyncSamples / 2)] ?? 0;
  } finally {
    fs.closeSync(opened);
    fs.unlinkSync(file);
  }
}
