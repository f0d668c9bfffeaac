// Files in a root that make programs run when a person, not a task, works there: git's hooks and
// settings, editors' and agents' settings. In a repository that exists when the cage is built they
// are read-only inside it, so `git init` of a new repository and `git commit` work and hooks stay
// closed. (The library protects such names only below the worker's working folder.)

import { readdirSync, type Dirent } from "node:fs";
import { join } from "node:path";

/** Files that are guarded wherever they exist in a looked-at folder. */
const guardedFiles: ReadonlySet<string> = new Set([
  ".bash_profile",
  ".bashrc",
  ".envrc",
  ".gitconfig",
  ".gitmodules",
  ".mcp.json",
  ".profile",
  ".zprofile",
  ".zshenv",
  ".zshrc",
]);

/** A root with more folders than this is guarded only as far as was looked. */
const foldersMax = 512;
/** More paths than this would not fit on bubblewrap's command line. */
const pathsMax = 400;

export interface Guarded {
  /** Absolute paths that are read-only in the cage, sorted. */
  readonly paths: readonly string[];
  /** Whether a limit ended the search before all was looked at. */
  readonly limited: boolean;
}

/** Looks for guarded files in the roots and `depth` levels of folders below them. */
export function findGuarded(roots: readonly string[], depth: number): Guarded {
  const paths: string[] = [];
  let level = [...roots];
  let looked = 0;
  let limited = false;
  for (let at = 0; at <= depth && level.length > 0; at += 1) {
    const next: string[] = [];
    for (const folder of level) {
      if (looked >= foldersMax || paths.length >= pathsMax) {
        limited = true;
        break;
      }
      looked += 1;
      next.push(...lookInto(folder, paths));
    }
    level = next;
  }
  return { paths: [...new Set(paths)].sort(), limited };
}

/** Adds what is guarded in `folder` to `paths`; answers the folders to look into next. */
function lookInto(folder: string, paths: string[]): readonly string[] {
  const folders: string[] = [];
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.name === ".git") paths.push(...guardedGit(path, entry));
    else if (entry.name === ".vscode") paths.push(...existing(path, ["tasks.json"]));
    else if (entry.name === ".claude") paths.push(...existing(path, claudeNames));
    else if (guardedFiles.has(entry.name) && entry.isFile()) paths.push(path);
    else if (entry.isDirectory() && entry.name !== "node_modules") folders.push(path);
  }
  return folders;
}

const claudeNames = ["settings.json", "settings.local.json", "commands", "agents", "hooks"];

function guardedGit(path: string, entry: Dirent): readonly string[] {
  // A `.git` file says where the repository is: another one would be obeyed.
  if (entry.isFile()) return [path];
  if (!entry.isDirectory()) return [];
  // Without its hooks folder a repository could be given one.
  return [join(path, "hooks"), ...existing(path, ["config", "config.worktree", "modules"])];
}

function existing(folder: string, names: readonly string[]): readonly string[] {
  const present = entriesOf(folder).filter((entry) => !entry.isSymbolicLink());
  return present
    .filter((entry) => names.includes(entry.name))
    .map((entry) => join(folder, entry.name));
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
