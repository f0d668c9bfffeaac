// What the library throws, as a report. A file that is not there, or may not be touched, is an
// answer (`done`, exit code 1, the system's name for it); a way out of the roots is `refused`.

import { messageOf } from "@openclaw-worker/base";
import { reportOf, type Report } from "@openclaw-worker/protocol";
import type { Spot } from "./spot.ts";

export interface FileFailure {
  readonly error: unknown;
  readonly spot: Spot;
  readonly fileBytes: number;
  /** What is at the spot; asked only where the library says merely that it is the wrong thing. */
  readonly kindAt: () => Promise<"file" | "folder" | "other">;
}

/** The report for an error that came of touching the path of `spot`. */
export async function fileErrorReport(failure: FileFailure): Promise<Report> {
  const { error, spot, fileBytes } = failure;
  if (!isSafeError(error)) {
    const code = systemCode(error);
    if (code === null) return reportOf("failed", messageOf(error));
    return notDone(systemSentence(code, spot.path));
  }
  const cause = systemCode(error.cause);
  if (cause !== null && cause !== "ENOENT") return notDone(systemSentence(cause, spot.path));
  switch (error.code) {
    case "not-found":
      return notDone(systemSentence("ENOENT", spot.path));
    case "not-file":
      return notDone(wrongKind(await failure.kindAt(), spot));
    case "too-large":
      return reportOf(
        "failed",
        `${spot.path} is larger than this task may handle (files: ${fileBytes} bytes)`,
      );
    case "outside-workspace":
    case "path-alias":
    case "symlink":
      return refused(
        `${spot.path} is, or leads through, a symbolic link that may lead out of ${spot.root}`,
      );
    case "hardlink":
      return refused(`${spot.path} is a file with another name elsewhere (a hard link)`);
    case "path-mismatch":
      return reportOf("failed", `${spot.path} was replaced while it was being handled; try again`);
    default:
      return reportOf("failed", `${spot.path}: ${error.message}`);
  }
}

const sentences: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "the disk quota is used up",
  EISDIR: "it is a folder",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  ENOENT: "no such file or folder",
  ENOSPC: "no space left on the disk",
  ENOTDIR: "not a folder",
  EPERM: "not permitted",
  EROFS: "the disk is read-only",
};

function systemSentence(code: string, path: string): string {
  return `${code}: ${sentences[code] ?? "the system refused"}: ${path}`;
}

function wrongKind(kind: "file" | "folder" | "other", spot: Spot): string {
  if (kind === "folder") return systemSentence("EISDIR", spot.path);
  if (kind === "file") return systemSentence("ENOTDIR", spot.path);
  return `${spot.path} is neither a file nor a folder`;
}

/** The library's errors by their shape: only files.ts touches the library. */
function isSafeError(error: unknown): error is Error & { readonly code: string } {
  if (!(error instanceof Error) || error.name !== "FsSafeError") return false;
  return "code" in error && typeof error.code === "string";
}

function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" && /^E[A-Z]+$/.test(error.code) ? error.code : null;
}

function refused(error: string): Report {
  return { ...reportOf("refused", error), hint: "Name a plain file in a root" };
}

function notDone(error: string): Report {
  return { stdout: "", stderr: "", exitCode: 1, error, outcome: "done" };
}
