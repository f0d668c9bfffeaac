import { createHash } from "node:crypto";

/** A program that Redis runs as one atomic step. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  /** SHA-1 in hex, by which EVALSHA names it. */
  readonly sha: string;
}

/** Puts a script together from the parts it needs; the last is its body. */
export function scriptOf(name: string, ...parts: readonly string[]): Script {
  const lua = parts.join("\n");
  return { name, lua, sha: createHash("sha1").update(lua).digest("hex") };
}
