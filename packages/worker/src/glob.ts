// What a path pattern matches, with the meaning of gitignore(5): `*` and `?` stay within one name,
// `**` spans folders, and what names a folder names everything below it. Matched without regular
// expressions, so that no pattern can be slow. Shared by the policy, which judges the path that a
// task names, and by file tasks, which judge the path that was opened.

/** An absolute pattern. */
export type PathPattern = readonly string[];

/** Does the pattern name these names of a path, or a folder above them? */
export function matchesPath(pattern: PathPattern, names: readonly string[]): boolean {
  // The set of places in the pattern at which the names read so far may have arrived.
  let places = spread(new Set([0]), pattern);
  for (const name of names) {
    if (places.has(pattern.length)) return true;
    const next = new Set<number>();
    for (const place of places) {
      const part = pattern[place];
      if (part === undefined) continue;
      if (part === "**") next.add(place);
      else if (matchesName(part, name)) next.add(place + 1);
    }
    if (next.size === 0) return false;
    places = spread(next, pattern);
  }
  return places.has(pattern.length);
}

/** Upper and lower case, and Unicode's forms of one letter, made equal: for rules that narrow. */
export function folded(text: string): string {
  return text.normalize("NFC").toLowerCase();
}

/** `**` may stand for no folder at all. */
function spread(places: Set<number>, wanted: PathPattern): Set<number> {
  for (const place of places) if (wanted[place] === "**") places.add(place + 1);
  return places;
}

/** `*` is any run of characters, `?` is any one. Linear but for one remembered `*`. */
export function matchesName(pattern: string, name: string): boolean {
  let [at, index, star, resumed] = [0, 0, -1, 0];
  while (index < name.length) {
    const character = pattern[at];
    if (character === "*") {
      star = at;
      at += 1;
      resumed = index;
    } else if (character === name[index] || character === "?") {
      at += 1;
      index += 1;
    } else if (star >= 0) {
      at = star + 1;
      resumed += 1;
      index = resumed;
    } else return false;
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}

/** The names of an absolute path, in order. */
export function namesOf(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}
