// Replies of Redis, narrowed: text, numbers and lists are all there is.

export function listOf(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new Error("a reply is no list");
}

export function textOf(reply: unknown): string {
  if (typeof reply === "string") return reply;
  if (typeof reply === "number") return String(reply);
  throw new Error("a reply is no text");
}

export function textOrNull(reply: unknown): string | null {
  return reply === null || reply === undefined ? null : textOf(reply);
}

export function numberOf(reply: unknown): number {
  const number = Number(textOf(reply));
  if (!Number.isFinite(number)) throw new Error("a reply is no number");
  return number;
}

export function numberOrNull(reply: unknown): number | null {
  return reply === null || reply === undefined ? null : numberOf(reply);
}

export function rowsOf(reply: unknown): readonly (readonly unknown[])[] {
  return listOf(reply).map(listOf);
}

/** Fields and values of a hash, one after another. */
export function hashOf(reply: unknown): ReadonlyMap<string, string> {
  const flat = listOf(reply);
  const fields = new Map<string, string>();
  for (let place = 0; place + 1 < flat.length; place += 2)
    fields.set(textOf(flat[place]), textOf(flat[place + 1]));
  return fields;
}
