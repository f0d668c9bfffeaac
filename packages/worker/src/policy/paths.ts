// Names of files as text: nothing here looks at a disk.

import path from "node:path";

/** `~` and `~/x` become absolute; every other text is left as it is. */
export function expandHome(name: string, home: string): string {
  if (name === "~") return home;
  return name.startsWith("~/") ? path.join(home, name.slice(2)) : name;
}

/** Is `name` the folder itself or below it? Both are absolute and normal (no `..`, no `//`). */
export function isWithin(name: string, folder: string): boolean {
  return name === folder || name.startsWith(folder === "/" ? "/" : `${folder}/`);
}
