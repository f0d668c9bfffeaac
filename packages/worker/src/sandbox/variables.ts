import { systemFolders, systemPath } from "./launcher.ts";
import { isWithin } from "./path.ts";
import { isWritable, type Shown } from "./shown.ts";

/** What a cage takes over of the user's login environment. */
export interface CageEnvironment {
  /** Names from an allow-list, without PATH, HOME and tool homes. */
  readonly variables: Readonly<Record<string, string>>;
  /** Variables that name a tool's folder; a cage gets those it can read. */
  readonly toolHomes: Readonly<Record<string, string>>;
  /** Folders of the login PATH besides the system's: real paths, in order. */
  readonly path: readonly string[];
}

/**
 * The environment that every task in a cage starts with. PATH holds the system's folders, then
 * the login PATH's that the cage can read and not write: a task must not be able to put a program
 * where a later task, or its owner, would find it.
 */
export function cageVariables(
  environment: CageEnvironment,
  shown: Shown,
  home: string,
): Readonly<Record<string, string>> {
  const readable = (path: string): boolean =>
    [...systemFolders, ...shown.readable].some((folder) => isWithin(path, folder));
  const usable = (path: string): boolean => readable(path) && !isWritable(path, shown);
  const folders = [...systemPath, ...environment.path.filter(usable)];
  const toolHomes = Object.entries(environment.toolHomes).filter(([, path]) => usable(path));
  return {
    ...environment.variables,
    ...Object.fromEntries(toolHomes),
    HOME: home,
    PATH: [...new Set(folders)].join(":"),
    TMPDIR: "/tmp",
    SHLVL: "1",
  };
}
