// What a folder holds, as lines of JSON.

/** What is told of one name in a folder. */
export interface Entry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymbolicLink: boolean;
  /** In bytes. */
  readonly size: number;
  readonly mtimeMs: number;
}

export interface Listing {
  /** One object a line: {name, type, size, modifiedMs}. */
  readonly text: string;
  /** Of names that are not UTF-8: they cannot be told apart, nor opened by what would be told. */
  readonly leftOut: number;
}

/**
 * The lines of these entries, sorted by name; null when they are more than `bytesMax` bytes.
 * @param leftOut how many names were found that are no entry
 */
export function listingOf(
  entries: readonly Entry[],
  leftOut: number,
  bytesMax: number,
): Listing | null {
  const lines: string[] = [];
  let [bytes, twice] = [0, 0];
  for (const [index, entry] of entries.entries()) {
    // Two names that read alike: one of them is not what it reads as.
    if (entry.name === entries[index - 1]?.name) {
      twice += 1;
      continue;
    }
    const { name, size } = entry;
    const modifiedMs = Math.trunc(entry.mtimeMs);
    const line = `${JSON.stringify({ name, type: typeOf(entry), size, modifiedMs })}\n`;
    bytes += Buffer.byteLength(line);
    if (bytes > bytesMax) return null;
    lines.push(line);
  }
  return { text: lines.join(""), leftOut: leftOut + twice };
}

/** The sentence about them, for stderr; empty when nothing was left out. */
export function leftOutSentence(count: number): string {
  if (count === 0) return "";
  return count === 1
    ? "1 name that is not UTF-8 was left out\n"
    : `${count} names that are not UTF-8 were left out\n`;
}

function typeOf(entry: Entry): "file" | "folder" | "link" | "other" {
  if (entry.isSymbolicLink) return "link";
  if (entry.isDirectory) return "folder";
  return entry.isFile ? "file" : "other";
}
