/** One thing that was looked at. */
export interface Row {
  readonly name: string;
  readonly state: "ok" | "warn" | "fail";
  readonly what: string;
  /** Why it matters; null where nothing is to be done. */
  readonly why: string | null;
  /** What to do about it, null when nothing; a command is shown as it is typed. */
  readonly do: string | null;
  /** More of it, a sentence each. */
  readonly more: readonly string[];
}

export interface Trouble {
  readonly why: string;
  readonly do: string;
  readonly more?: readonly string[];
}

export function ok(name: string, what: string, more: readonly string[] = []): Row {
  return { name, state: "ok", what, why: null, do: null, more };
}

export function warn(name: string, what: string, trouble: Trouble): Row {
  return { name, state: "warn", what, more: [], ...trouble };
}

export function fail(name: string, what: string, trouble: Trouble): Row {
  return { name, state: "fail", what, more: [], ...trouble };
}

/** Rows that another process printed as JSON, or null when they are none. */
export function parseRows(text: string): readonly Row[] | null {
  try {
    const data: unknown = JSON.parse(text);
    return Array.isArray(data) && data.every(isRow) ? data : null;
  } catch {
    return null;
  }
}

function isRow(data: unknown): data is Row {
  if (typeof data !== "object" || data === null) return false;
  if (!("name" in data && "what" in data && "state" in data)) return false;
  if (!("do" in data && "why" in data && "more" in data)) return false;
  const { state, more } = data;
  return (
    typeof data.name === "string" &&
    typeof data.what === "string" &&
    (state === "ok" || state === "warn" || state === "fail") &&
    [data.do, data.why].every((text) => text === null || typeof text === "string") &&
    Array.isArray(more) &&
    more.every((line) => typeof line === "string")
  );
}
