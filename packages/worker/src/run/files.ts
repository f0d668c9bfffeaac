// File tasks, in the worker's own process but only through a library that opens below a root and
// never follows a way out of it, also while somebody swaps links (fs-safe, native mode). A path is
// judged by where it really leads: a read by the path of the file that was opened; what changes, and
// a list, by the path that links led to, which is then opened with no links followed at all.

import { dirname, resolve } from "node:path";
import { configureFsSafeNative, FsSafeError, root, type Root } from "@openclaw/fs-safe";
import { abortable } from "@openclaw-worker/base";
import { reportOf, type Report } from "@openclaw-worker/protocol";
import type { Cage, JobLimits, Placed } from "../job.ts";
import { encodeBytes } from "../output/encode.ts";
import { closedTo, type Closed } from "./closed.ts";
import { editText } from "./edit.ts";
import { fileErrorReport } from "./file-error.ts";
import { cutReport, smaller, type RunLimit } from "./limit.ts";
import { leftOutSentence, listingOf, type Entry } from "./listing.ts";
import { belowOf, placeIn, type Spot, type Use } from "./spot.ts";

type FileTask<Kind extends Placed["kind"]> = Extract<Placed, { readonly kind: Kind }>;

export interface FileContext {
  readonly cage: Cage;
  readonly limit: RunLimit;
  /** The policy's; the smaller of these and the worker's own count. */
  readonly limits?: JobLimits | undefined;
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
   * bytes, modifiedMs since the Unix epoch}. Names that are not UTF-8 are counted on stderr.
   */
  list(task: FileTask<"file-list">, context: FileContext): Promise<Report>;
}

export interface FileLimits {
  readonly fileBytes: number;
  readonly outputKeptBytes: number;
}

/** What belongs to the worker, and no task gets to see. */
export interface WorkersOwn {
  /** Absolute real paths (the state folder, the policy, the install): closed whatever a rule says. */
  readonly hidden: readonly string[];
  /** The name of a secret that these bytes hold, or null. */
  readonly secretIn: (bytes: Uint8Array) => string | null;
}

/** A folder with more names than this is not listed. */
const entriesMax = 20_000;
/** What a new file's mode is; an existing one keeps its own. */
const newFileMode = 0o644;

export function openFiles(limits: FileLimits, own: WorkersOwn): Files {
  // On other systems the library has no kernel support for it, and says so where it matters.
  configureFsSafeNative({ mode: "require" });
  const desk: Desk = { limits, own, busy: new Map() };
  return {
    read: (task, context) => within({ path: task.path, use: "read", context }, desk, read),
    write: (task, context) =>
      within({ path: task.path, use: "write", context }, desk, async (opened) => {
        const bytes = bytesOf(task);
        if (typeof bytes === "string") return reportOf("failed", bytes);
        return await oneAtATime(desk.busy, opened.spot.path, () => write(opened, bytes));
      }),
    edit: (task, context) =>
      within({ path: task.path, use: "write", context }, desk, (opened) =>
        oneAtATime(desk.busy, opened.spot.path, () => edit(opened, task)),
      ),
    list: (task, context) => within({ path: task.path, use: "read", context }, desk, list),
  };
}

interface Desk {
  readonly limits: FileLimits;
  readonly own: WorkersOwn;
  /** The last change of each path that is under way. */
  readonly busy: Map<string, Promise<unknown>>;
}

interface Visit {
  readonly path: string;
  readonly use: Use;
  readonly context: FileContext;
}

interface Opened {
  readonly root: Root;
  readonly spot: Spot;
  readonly limits: FileLimits;
  readonly signal: AbortSignal;
  readonly secretIn: WorkersOwn["secretIn"];
  /** The refusal of an absolute real path, or null. */
  readonly refusalOf: (use: Use, real: string) => Report | null;
}

/** Finds the place of a path, opens it, and turns every ending of `act` into a report. */
async function within(
  { path, use, context }: Visit,
  desk: Desk,
  act: (opened: Opened) => Promise<Report>,
): Promise<Report> {
  const { cage, limit } = context;
  const { hidden, secretIn } = desk.own;
  const spot = placeIn(path, cage, use);
  const closed = closedTo(use, resolve(path), { cage, hidden });
  if (closed !== null) return refused(closed);
  if (spot === null) return reportOf("failed", `${JSON.stringify(path)} is no path`);
  const { signal } = limit;
  const limits = {
    fileBytes: smaller(smaller(desk.limits.fileBytes, cage.fileBytes), context.limits?.fileBytes),
    outputKeptBytes: smaller(desk.limits.outputKeptBytes, context.limits?.outputKeptBytes),
  };
  const refusalOf = (wanted: Use, real: string): Report | null => {
    const closed = closedTo(wanted, real, { cage, hidden });
    return closed === null ? null : refused(closed);
  };
  try {
    signal.throwIfAborted();
    const work = root(spot.root, {
      hardlinks: "reject",
      symlinks: "follow-within-root",
      mutationSymlinks: "reject",
      maxBytes: limits.fileBytes,
      // The last moment before anything changes: a run that was cut leaves the file as it was.
      assertBeforeMutation: () => signal.throwIfAborted(),
    }).then((opened) => act({ root: opened, spot, limits, signal, secretIn, refusalOf }));
    return await abortable(work, signal);
  } catch (error) {
    if (limit.cut !== null) return cutReport(limit.cut, limit.timeoutMs, 0);
    const { fileBytes } = limits;
    return await fileErrorReport({ error, spot, fileBytes, kindAt: () => kindAt(spot) });
  }
}

async function read({ root, spot, refusalOf, secretIn }: Opened): Promise<Report> {
  const { buffer, realPath } = await root.read(spot.below);
  const refusal = refusalOf("read", realPath) ?? secretRefusal(spot, secretIn(buffer));
  if (refusal !== null) return refusal;
  const { text, encoding } = encodeBytes(buffer);
  return done(text, encoding === "base64" ? { encoding, stdoutEncoding: encoding } : {});
}

async function write(opened: Opened, bytes: Buffer): Promise<Report> {
  const { root, spot, limits, refusalOf } = opened;
  if (bytes.length > limits.fileBytes) {
    const size = `${bytes.length} bytes are more than the ${limits.fileBytes} that may be written`;
    return reportOf("failed", `${size} as one file`);
  }
  const real = await root.resolve(spot.below);
  const refusal = refusalOf("write", real);
  if (refusal !== null) return refusal;
  await put(root, belowOf(root.rootReal, real), bytes);
  return done(`File written: ${spot.path}`);
}

/** Also judged as a read: whether a text is found in a file tells what is in it. */
async function edit(opened: Opened, task: FileTask<"file-edit">): Promise<Report> {
  const { root, spot, limits, refusalOf, secretIn } = opened;
  const real = await root.resolve(spot.below);
  const refusal = refusalOf("write", real) ?? refusalOf("read", real);
  if (refusal !== null) return refusal;
  const below = belowOf(root.rootReal, real);
  const before = await root.read(below, { symlinks: "reject" }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
    return null;
  });
  if (before === null) return notDone("File not found");
  if (before.realPath !== real) return replaced(spot);
  const secret = secretRefusal(spot, secretIn(before.buffer));
  if (secret !== null) return secret;
  const edited = editText(before.buffer, task);
  if ("problem" in edited) return notDone(edited.problem);
  if (edited.bytes.length > limits.fileBytes) {
    return reportOf("failed", `The edited file would be larger than ${limits.fileBytes} bytes`);
  }
  await root.write(below, edited.bytes);
  return done(`File edited: ${spot.path}`);
}

async function list({ root: place, spot, limits, signal, refusalOf }: Opened): Promise<Report> {
  // A name in the folder: links are followed up to it, and it need not be there.
  const real = dirname(await place.resolve(`${spot.below}/name`));
  const refusal = refusalOf("read", real);
  if (refusal !== null) return refusal;
  // From here on the library holds on to this very folder, whatever its name comes to mean.
  const folder = await root(real, { symlinks: "reject" });
  if (folder.rootReal !== real) return replaced(spot);
  const { entries, leftOut } = await entriesOf(folder, signal);
  const listing = listingOf(entries, leftOut, limits.outputKeptBytes);
  if (listing === null)
    return reportOf("failed", `${spot.path} has more names than fit into one answer`);
  return done(listing.text, { stderr: leftOutSentence(listing.leftOut) });
}

interface Entries {
  readonly entries: readonly Entry[];
  /** Names that stand for nothing: what is not UTF-8 comes as a text that is no name. */
  readonly leftOut: number;
}

/** All that is in a folder, sorted by name. */
async function entriesOf(folder: Root, signal: AbortSignal): Promise<Entries> {
  const entries: Entry[] = [];
  try {
    const options = { order: "sorted", maxEntries: entriesMax, signal } as const;
    for await (const entry of folder.entries(".", options)) entries.push(entry);
    return { entries, leftOut: 0 };
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // One name was not there, and the library goes no further.
    return await oneByOne(folder, signal);
  }
}

async function oneByOne(folder: Root, signal: AbortSignal): Promise<Entries> {
  const names = await folder.list(".");
  if (names.length > entriesMax) throw new FsSafeError("too-large", "too many names");
  const entries: Entry[] = [];
  let leftOut = 0;
  for (const name of names) {
    signal.throwIfAborted();
    const stat = await folder.stat(`./${name}`).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      return null;
    });
    if (stat !== null) entries.push({ ...stat, name });
    // Another name was removed a moment ago, and is no part of the folder.
    else if (name.includes("\ufffd")) leftOut += 1;
  }
  return { entries, leftOut };
}

function isNotFound(error: unknown): boolean {
  return error instanceof FsSafeError && error.code === "not-found";
}

async function put(root: Root, below: string, bytes: Buffer): Promise<void> {
  if (!(await root.exists(below))) {
    try {
      return await root.create(below, bytes, { mode: newFileMode, atomic: true });
    } catch (error) {
      // Somebody made it in between: then it is theirs to say which mode it has.
      if (!(error instanceof FsSafeError && error.code === "already-exists")) throw error;
    }
  }
  await root.write(below, bytes);
}

function bytesOf(task: FileTask<"file-write">): Buffer | string {
  if (task.encoding === "utf8") return Buffer.from(task.content, "utf8");
  // Buffer.from skips what is not base64; a file that is almost right is worse than none.
  const bytes = Buffer.from(task.content, "base64");
  return bytes.toString("base64") === task.content
    ? bytes
    : "The content is not valid base64 (RFC 4648)";
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

function refused({ because, remedy }: Closed): Report {
  return { ...reportOf("refused", because), hint: remedy };
}

/** A file that holds a secret is refused, not redacted: what is read is never altered. */
function secretRefusal({ path }: Spot, name: string | null): Report | null {
  if (name === null) return null;
  const because = `${path} holds a secret that this worker knows (${name})`;
  return refused({ because, remedy: "take the secret out of the file" });
}

function replaced({ path }: Spot): Report {
  return reportOf("failed", `${path} was replaced while it was being handled; try again`);
}

/** It ran, and the answer is no: exit code 1, as a program would. */
function notDone(error: string): Report {
  return { stdout: "", stderr: "", exitCode: 1, error, outcome: "done" };
}
