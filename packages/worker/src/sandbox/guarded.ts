// Files in a root that make programs run when a person, not a task, works there: git's hooks and
// settings, editors' and agents' settings. In a repository that exists when the cage is built they
// are read-only inside it, so `git init` of a new repository and `git commit` work and hooks stay
// closed. (The library protects such names only below the worker's working folder.)

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

/** Folders of which some names are guarded. */
const guardedFolders: Readonly<Record<string, readonly string[]>> = {
  // Without its hooks folder a repository could be given one: it is guarded also when it is missing.
  ".git": ["hooks", "config", "config.worktree", "modules"],
  ".vscode": ["tasks.json"],
  ".claude": ["settings.json", "settings.local.json", "commands", "agents", "hooks"],
};

export type EntryKind = "file" | "folder" | "link" | "other";

/** What a name in a folder means: it is guarded, its own names are looked at, or neither. */
export function guardOf(name: string, kind: EntryKind): "guarded" | "holds" | "nothing" {
  // A `.git` file says where the repository is: another one would be obeyed.
  if (kind === "file") return guardedFiles.has(name) || name === ".git" ? "guarded" : "nothing";
  return kind === "folder" && Object.hasOwn(guardedFolders, name) ? "holds" : "nothing";
}

/** The guarded names in a folder that holds some, of those that are there. */
export function guardedIn(folder: string, present: ReadonlySet<string>): readonly string[] {
  const names = guardedFolders[folder] ?? [];
  return names.filter((name) => present.has(name) || (name === "hooks" && folder === ".git"));
}

/** Whether folders below this one are not looked at for guarded names. */
export function isForeign(name: string): boolean {
  return name === "node_modules" || name === ".git";
}
