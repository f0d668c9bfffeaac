export interface Replacement {
  readonly oldString: string;
  readonly newString: string;
  readonly replaceAll: boolean;
}

/**
 * The bytes after a literal replacement (`$&` in the new text is two characters), or the problem
 * in the words that clients know. Bytes are compared, so the rest of the file stays as it is,
 * also where it is not UTF-8.
 */
export function editText(
  before: Buffer,
  { oldString, newString, replaceAll }: Replacement,
): { readonly bytes: Buffer } | { readonly problem: string } {
  const old = Buffer.from(oldString, "utf8");
  const first = before.indexOf(old);
  if (first < 0) return { problem: "old_string not found" };
  if (!replaceAll && before.indexOf(old, first + 1) >= 0) {
    return { problem: "old_string not unique" };
  }
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = first; at >= 0; at = replaceAll ? before.indexOf(old, from) : -1) {
    parts.push(before.subarray(from, at), Buffer.from(newString, "utf8"));
    from = at + old.length;
  }
  return { bytes: Buffer.concat([...parts, before.subarray(from)]) };
}
