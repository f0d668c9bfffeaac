// File tasks, in the worker's own process but only through a library that opens below a root and
// never follows a way out of it, also while somebody swaps links (fs-safe, native mode).

import { configureFsSafeNative, FsSafeError, root, type Root } from "@openclaw/fs-safe";
import { abortable } from "@openclaw-worker/base";
import { reportOf, type Report } from "@openclaw-worker/protocol";
import type { Cage, Placed } from "../job.ts";
import { encodeBytes } from "../output/encode.ts";
import { editText } from "./edit.ts";
import { fileErrorReport } from "./file-error.ts";
import { cutReport, type RunLimit } from "./limit.ts";
import { guardedName, placeIn, type Spot } from "./spot.ts";

type FileTask<Kind extends Placed["kind"]> = Extract<Placed, { readonly kind: Kind }>;

export interface FileContext {
  readonly cage: Cage;
  readonly limit: RunLimit;
}

/** Each verb ends in a Report; none throws for what a path, a file or a link may be. */
export interface Files {
  /** stdout is the file; `encoding: "base64"` when it is not UTF-8. */
  read(task: FileTask<"file-read">, context: FileContext): Promise<Report>;
  /** Replaces or makes the file at once, with its folders. `File written: <path>`. */
  write(task: FileTask<"file-write">, context: FileContext): Promise<Report>;
  /** Replaces text in the file, literally. `File edited: <path>`. */
  edit(task: FileTask<"file-edit">, context: FileContext): Promise<Report>;
  /**
   * One JSON object a line, sorted by name: {name, type: "file"|"folder"|"link"|"other", size in
   * bytes, modifiedMs since the Unix epoch}.
   */
  list(task: FileTask<"file-list">, context: FileContext): Promise<Report>;
}

export interface FileLimits {
  readonly fileBytes: number;
  readonly outputKeptBytes: number;
}

/** A folder with more names than this is not listed. */
const entriesMax = 20_000;
/** What a new file's mode is; an existing one keeps its own. */
const newFileMode = 0o644;

export function openFiles(limits: FileLimits): Files {
  // On other systems the library has no kernel support for it, and says so where it matters.
  configureFsSafeNative({ mode: "require" });
  const busy = new Map<string, Promise<unknown>>();
  return {
    read: (task, context) => within(task.path, context, limits, async (opened) => read(opened)),
    write: (task, context) =>
      within(task.path, context, limits, async (opened) => {
        const bytes = bytesOf(task);
        if (typeof bytes === "string") return reportOf("failed", bytes);
        return await oneAtATime(busy, opened.spot.path, () => write(opened, bytes, limits));
      }),
    edit: (task, context) =>
      within(task.path, context, limits, (opened) =>
        oneAtATime(busy, opened.spot.path, () => edit(opened, task, limits)),
      ),
    list: (task, context) => within(task.path, context, limits, (opened) => list(opened, limits)),
  };
}

interface Opened {
  readonly root: Root;
  readonly spot: Spot;
  readonly signal: AbortSignal;
}

/** Finds the root of a path, opens it, and turns every ending of `act` into a report. */
async function within(
  path: string,
  { cage, limit }: FileContext,
  limits: FileLimits,
  act: (opened: Opened) => Promise<Report>,
): Promise<Report> {
  const spot = placeIn(path, cage.roots);
  if (spot === null) {
    const hint = "Name a path in a root, or add its folder to the roots in the worker's policy";
    const error = `${path} lies outside of the roots of this worker: ${cage.roots.join(", ")}`;
    return { ...reportOf("refused", error), hint };
  }
  const { signal } = limit;
  try {
    signal.throwIfAborted();
    const work = root(spot.root, {
      hardlinks: "reject",
      symlinks: "follow-within-root",
      mutationSymlinks: "follow-parents-within-root",
      maxBytes: limits.fileBytes,
      // The last moment before anything changes: a run that was cut leaves the file as it was.
      assertBeforeMutation: () => signal.throwIfAborted(),
    }).then((opened) => act({ root: opened, spot, signal }));
    return await abortable(work, signal);
  } catch (error) {
    if (limit.cut !== null) return cutReport(limit.cut, limit.timeoutMs, 0);
    const { fileBytes } = limits;
    return await fileErrorReport({ error, spot, fileBytes, kindAt: () => kindAt(spot) });
  }
}

async function read({ root, spot }: Opened): Promise<Report> {
  const { buffer } = await root.read(spot.below);
  const { text, encoding } = encodeBytes(buffer);
  return done(text, encoding === "base64" ? { encoding, stdoutEncoding: encoding } : {});
}

async function write(opened: Opened, bytes: Buffer, limits: FileLimits): Promise<Report> {
  if (bytes.length > limits.fileBytes) {
    const size = `${bytes.length} bytes are more than the ${limits.fileBytes} that may be written`;
    return reportOf("failed", `${size} as one file`);
  }
  const refusal = await refusalOf(opened);
  if (refusal !== null) return refusal;
  await put(opened, bytes);
  return done(`File written: ${opened.spot.path}`);
}

async function edit(
  opened: Opened,
  task: FileTask<"file-edit">,
  limits: FileLimits,
): Promise<Report> {
  const refusal = await refusalOf(opened);
  if (refusal !== null) return refusal;
  const { root, spot } = opened;
  const before = await root.read(spot.below).catch((error: unknown) => {
    if (error instanceof FsSafeError && error.code === "not-found") return null;
    throw error;
  });
  if (before === null) return notDone("File not found");
  const edited = editText(before.buffer, task);
  if ("problem" in edited) return notDone(edited.problem);
  if (edited.bytes.length > limits.fileBytes) {
    return reportOf("failed", `The edited file would be larger than ${limits.fileBytes} bytes`);
  }
  await root.write(spot.below, edited.bytes);
  return done(`File edited: ${spot.path}`);
}

async function list({ root, spot, signal }: Opened, limits: FileLimits): Promise<Report> {
  const lines: string[] = [];
  let bytes = 0;
  const options = { order: "sorted", maxEntries: entriesMax, signal } as const;
  for await (const entry of root.entries(spot.below, options)) {
    const type = typeOf(entry);
    const modifiedMs = Math.trunc(entry.mtimeMs);
    const line = `${JSON.stringify({ name: entry.name, type, size: entry.size, modifiedMs })}\n`;
    bytes += line.length;
    if (bytes > limits.outputKeptBytes) {
      return reportOf("failed", `${spot.path} has more names than fit into one answer`);
    }
    lines.push(line);
  }
  return done(lines.join(""));
}

/** Names that make programs run elsewhere are not written, wherever links lead. */
async function refusalOf({ root, spot }: Opened): Promise<Report | null> {
  const real = await root.resolve(spot.below);
  const name = guardedName(spot, spot.path) ?? guardedName(spot, real);
  if (name === null) return null;
  const error = `${spot.path} is not written: ${name} can make programs run outside of the cage`;
  return { ...reportOf("refused", error), hint: "Change this file yourself" };
}

async function put({ root, spot }: Opened, bytes: Buffer): Promise<void> {
  if (!(await root.exists(spot.below))) {
    try {
      return await root.create(spot.below, bytes, { mode: newFileMode, atomic: true });
    } catch (error) {
      // Somebody made it in between: then it is theirs to say which mode it has.
      if (!(error instanceof FsSafeError && error.code === "already-exists")) throw error;
    }
  }
  await root.write(spot.below, bytes);
}

function bytesOf(task: FileTask<"file-write">): Buffer | string {
  if (task.encoding === "utf8") return Buffer.from(task.content, "utf8");
  // Buffer.from skips what is not base64; a file that is almost right is worse than none.
  const bytes = Buffer.from(task.content, "base64");
  return bytes.toString("base64") === task.content
    ? bytes
    : "The content is not valid base64 (RFC 4648)";
}

function typeOf(entry: {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymbolicLink: boolean;
}): "file" | "folder" | "link" | "other" {
  if (entry.isSymbolicLink) return "link";
  if (entry.isDirectory) return "folder";
  return entry.isFile ? "file" : "other";
}

async function kindAt(spot: Spot): Promise<"file" | "folder" | "other"> {
  const opened = await root(spot.root, { symlinks: "follow-within-root" });
  const stat = await opened.stat(spot.below).catch(() => null);
  if (stat?.isDirectory) return "folder";
  return stat?.isFile ? "file" : "other";
}

/** Two edits of one file in this worker come one after another, so none is lost. */
async function oneAtATime(
  busy: Map<string, Promise<unknown>>,
  path: string,
  work: () => Promise<Report>,
): Promise<Report> {
  const before = busy.get(path) ?? Promise.resolve();
  const mine = before.then(work, work);
  busy.set(path, mine);
  try {
    return await mine;
  } finally {
    if (busy.get(path) === mine) busy.delete(path);
  }
}

function done(stdout: string, more: Partial<Report> = {}): Report {
  return { stdout, stderr: "", exitCode: 0, error: null, outcome: "done", ...more };
}

/** It ran, and the answer is no: exit code 1, as a program would. */
function notDone(error: string): Report {
  return { stdout: "", stderr: "", exitCode: 1, error, outcome: "done" };
}
