// The sessions that this computer's Claude Code has: one file each,
// `projects/<folder's name>/<uuid>.jsonl` below its config folder. The files are big and private, and
// their format is Claude Code's own: little of each is read, and nothing else is depended upon.
//
// An agent in its cage can write there. So links are not followed, and what is no plain file is left
// alone: nobody should be able to make this worker read another file to the outside.

import { constants } from "node:fs";
import { lstat, open, readdir, type FileHandle } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";

export interface SessionRow {
  readonly sessionId: string;
  /** Absolute folder that it was begun in: where it must be resumed. Null when it does not say. */
  readonly cwd: string | null;
  /** Last part of that folder, for people. */
  readonly project: string;
  /** Wall time in milliseconds. */
  readonly lastModified: number;
  readonly sizeBytes: number;
  /** What it is about, one line; "" when it does not say. */
  readonly topic: string;
}

export type SessionFound =
  | { readonly kind: "found"; readonly session: SessionRow }
  | { readonly kind: "none" }
  /** Ids that begin like this, at most ten. */
  | { readonly kind: "several"; readonly sessionIds: readonly string[] };

const headBytes = 65_536;
const tailBytes = 16_384;
const foldersMax = 2_000;
const filesMax = 20_000;
const topicMax = 120;
const severalMax = 10;
/** In chats an id is shown by this many characters. */
const prefixMin = 4;

const fileName = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl$/;

/**
 * The newest sessions, newest first. `configDir` is $CLAUDE_CONFIG_DIR or ~/.claude. A folder that
 * is not there holds none. Rejects only with the signal's reason.
 */
export async function listSessions(
  configDir: string,
  limit: number,
  signal: AbortSignal,
): Promise<readonly SessionRow[]> {
  const rows: SessionRow[] = [];
  const seen = new Set<string>();
  for (const file of await filesOf(configDir, () => true, signal)) {
    if (rows.length >= limit) break;
    signal.throwIfAborted();
    if (seen.has(file.sessionId)) continue;
    const row = await readRow(file);
    if (row === null) continue;
    seen.add(file.sessionId);
    rows.push(row);
  }
  return rows;
}

/** Finds the one session whose id begins with `prefix`, which may be the whole id. */
export async function findSession(
  configDir: string,
  prefix: string,
  signal: AbortSignal,
): Promise<SessionFound> {
  const wanted = prefix.toLowerCase();
  if (!/^[0-9a-f-]+$/.test(wanted) || wanted.length < prefixMin) return { kind: "none" };
  const files = await filesOf(configDir, (id) => id.startsWith(wanted), signal);
  const sessionIds = [...new Set(files.map(({ sessionId }) => sessionId))];
  if (sessionIds.length > 1) {
    return { kind: "several", sessionIds: sessionIds.slice(0, severalMax) };
  }
  for (const file of files) {
    const session = await readRow(file);
    if (session !== null) return { kind: "found", session };
  }
  return { kind: "none" };
}

interface SessionFile {
  readonly sessionId: string;
  readonly file: string;
  readonly folder: string;
  readonly lastModified: number;
}

/** All session files, newest first, as far as the limits go. */
async function filesOf(
  configDir: string,
  wanted: (sessionId: string) => boolean,
  signal: AbortSignal,
): Promise<readonly SessionFile[]> {
  const projects = path.join(configDir, "projects");
  const found: SessionFile[] = [];
  for (const folder of (await namesIn(projects, "folder")).slice(0, foldersMax)) {
    signal.throwIfAborted();
    for (const name of await namesIn(path.join(projects, folder), "file")) {
      const sessionId = fileName.exec(name)?.[1];
      if (sessionId === undefined || !wanted(sessionId)) continue;
      if (found.length >= filesMax) break;
      const file = path.join(projects, folder, name);
      const stat = await lstat(file).catch(() => null);
      if (stat?.isFile() !== true) continue;
      found.push({ sessionId, file, folder, lastModified: Math.trunc(stat.mtimeMs) });
    }
  }
  return found.toSorted((a, b) => b.lastModified - a.lastModified);
}

async function namesIn(folder: string, kind: "file" | "folder"): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => (kind === "file" ? entry.isFile() : entry.isDirectory()))
    .map(({ name }) => name);
}

/** Null when it is gone, is no plain file, or is no session of a person's. */
async function readRow(file: SessionFile): Promise<SessionRow | null> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(file.file, flags).catch(() => null);
  if (handle === null) return null;
  await using _closed = handle;
  const stat = await handle.stat();
  if (!stat.isFile()) return null;
  const head = await linesAt(handle, 0, headBytes);
  const tail = await linesAt(handle, Math.max(0, stat.size - tailBytes), tailBytes);
  const about = readAbout([...head, ...tail]);
  return {
    sessionId: file.sessionId,
    cwd: about.cwd,
    project: about.cwd === null ? file.folder : path.basename(about.cwd),
    lastModified: file.lastModified,
    sizeBytes: stat.size,
    topic: about.topic,
  };
}

async function linesAt(
  handle: FileHandle,
  position: number,
  length: number,
): Promise<readonly string[]> {
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.toString("utf8", 0, bytesRead).split("\n");
}

const text = z.string().optional().catch(undefined);
const lineSchema = z.object({
  type: text,
  cwd: text,
  isMeta: z.boolean().optional().catch(undefined),
  customTitle: text,
  aiTitle: text,
  lastPrompt: text,
  message: z
    .object({ content: z.union([z.string(), z.array(z.unknown())]) })
    .optional()
    .catch(undefined),
});
const textBlockSchema = z.object({ type: z.literal("text"), text: z.string() });

/** What whole lines say; lines that a bound has cut are no JSON, and say nothing. */
function readAbout(lines: readonly string[]): {
  readonly cwd: string | null;
  readonly topic: string;
} {
  let cwd: string | null = null;
  let first = "";
  let customTitle = "";
  let aiTitle = "";
  let lastPrompt = "";
  for (const line of lines) {
    const said = parseLine(line);
    if (said === null) continue;
    if (cwd === null && said.cwd?.startsWith("/") === true) cwd = said.cwd;
    if (first === "" && said.type === "user" && said.isMeta !== true) {
      first = firstText(said.message?.content ?? "");
    }
    customTitle = said.customTitle ?? customTitle;
    aiTitle = said.aiTitle ?? aiTitle;
    lastPrompt = said.lastPrompt ?? lastPrompt;
  }
  const topic = [customTitle, aiTitle, first, lastPrompt].find((text) => text.trim() !== "") ?? "";
  const line = topic.replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
  return { cwd, topic: line.length > topicMax ? `${line.slice(0, topicMax - 1)}…` : line };
}

function parseLine(line: string): z.infer<typeof lineSchema> | null {
  if (!line.startsWith("{")) return null;
  try {
    return lineSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

/** The first words of a person; not what commands and reminders have put there. */
function firstText(content: string | readonly unknown[]): string {
  const texts =
    typeof content === "string"
      ? [content]
      : content.flatMap((block) => textBlockSchema.safeParse(block).data?.text ?? []);
  return texts.find((text) => text.trim() !== "" && !text.trimStart().startsWith("<")) ?? "";
}
