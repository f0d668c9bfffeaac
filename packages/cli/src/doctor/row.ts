/** One thing that was looked at. `do` says what to do about it, null when nothing. */
export interface Row {
  readonly name: string;
  readonly state: "ok" | "warn" | "fail";
  readonly what: string;
  readonly do: string | null;
}

export function ok(name: string, what: string): Row {
  return { name, state: "ok", what, do: null };
}

export function warn(name: string, what: string, remedy: string): Row {
  return { name, state: "warn", what, do: remedy };
}

export function fail(name: string, what: string, remedy: string): Row {
  return { name, state: "fail", what, do: remedy };
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
  const known = "name" in data && "what" in data && "state" in data && "do" in data;
  if (!known || typeof data.name !== "string" || typeof data.what !== "string") return false;
  const { state } = data;
  return (
    (state === "ok" || state === "warn" || state === "fail") &&
    (data.do === null || typeof data.do === "string")
  );
}
