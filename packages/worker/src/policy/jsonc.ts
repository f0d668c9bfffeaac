// JSON as people write it: comments and a comma after the last entry are fine; everything else is
// RFC 8259. Each value knows where it stands, so that an error can be pointed at. A key that
// appears twice is an error: which of two decisions about one's own computer counts must be plain.

export interface Position {
  readonly line: number;
  readonly column: number;
}

interface Placed {
  readonly at: Position;
}

export type JsonNode = Placed &
  (
    | { readonly kind: "object"; readonly members: readonly JsonMember[] }
    | { readonly kind: "array"; readonly items: readonly JsonNode[] }
    /** `raw` is the text as it stands in the file, quotes included. */
    | { readonly kind: "string"; readonly text: string; readonly raw: string }
    | { readonly kind: "other"; readonly value: number | boolean | null }
  );

export interface JsonMember extends Placed {
  readonly key: string;
  readonly value: JsonNode;
}

/** Why a text is refused, and where. Thrown by the parser and the readers of its tree. */
export class JsonProblem extends Error {
  readonly at: Position;

  constructor(at: Position, message: string) {
    super(message);
    this.name = "JsonProblem";
    this.at = at;
  }
}

const depthMax = 32;
const blank = /(?:[ \t\r\n]|\/\/[^\n]*|\/\*[^]*?\*\/)+/y;
const stringToken = /"(?:[^"\\]|\\[^])*"/y;
const wordToken = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** Where the character at `offset` of a string's text stands in the file. */
export function positionIn(
  node: Extract<JsonNode, { readonly kind: "string" }>,
  offset: number,
): Position {
  // A text in JSON never spans lines; an escape is longer in the file than in the text.
  const units = node.raw.slice(1, -1).matchAll(/\\u[0-9a-fA-F]{4}|\\[^]|[^\\]/g);
  let column = node.at.column + 1;
  for (const [unit] of [...units].slice(0, offset)) column += unit.length;
  return { line: node.at.line, column };
}

/** @throws JsonProblem with line and column, both from 1 */
export function parseJsonc(text: string): JsonNode {
  const reader = new Reader(text.replace(/^\uFEFF/, ""));
  const node = reader.value(0);
  reader.end();
  return node;
}

class Reader {
  readonly #text: string;
  /** Index of the first character of each line. */
  readonly #lines: readonly number[];
  #index = 0;

  constructor(text: string) {
    this.#text = text;
    this.#lines = [0, ...text.matchAll(/\n/g).map(({ index }) => index + 1)];
  }

  value(depth: number): JsonNode {
    this.#skip();
    const at = this.#position();
    if (depth > depthMax) throw new JsonProblem(at, `more than ${depthMax} levels deep`);
    if (this.#take("{")) return { kind: "object", at, members: this.#members(depth) };
    if (this.#take("["))
      return { kind: "array", at, items: this.#list("]", () => this.value(depth + 1)) };
    if (this.#peek() === '"') {
      const from = this.#index;
      const text = this.#string();
      return { kind: "string", at, text, raw: this.#text.slice(from, this.#index) };
    }
    const word = this.#match(wordToken);
    if (word === null || word === "")
      throw new JsonProblem(at, `expected a value, found ${this.#found()}`);
    const value: unknown = JSON.parse(word);
    if (typeof value === "number" || typeof value === "boolean" || value === null)
      return { kind: "other", at, value };
    throw new JsonProblem(at, "expected a value");
  }

  end(): void {
    this.#skip();
    if (this.#index < this.#text.length)
      throw new JsonProblem(this.#position(), `expected the end, found ${this.#found()}`);
  }

  #members(depth: number): readonly JsonMember[] {
    const seen = new Set<string>();
    return this.#list("}", () => {
      const at = this.#position();
      const key = this.#string();
      if (seen.has(key)) throw new JsonProblem(at, `the key ${JSON.stringify(key)} appears twice`);
      seen.add(key);
      this.#skip();
      this.#expect(":");
      return { at, key, value: this.value(depth + 1) };
    });
  }

  #list<T>(close: string, entry: () => T): readonly T[] {
    const entries: T[] = [];
    for (;;) {
      this.#skip();
      if (this.#take(close)) return entries;
      entries.push(entry());
      this.#skip();
      if (this.#take(close)) return entries;
      this.#expect(",");
    }
  }

  #string(): string {
    const at = this.#position();
    const token = this.#match(stringToken);
    if (token === null) {
      throw new JsonProblem(at, `expected a text in double quotes, found ${this.#found()}`);
    }
    try {
      return String(JSON.parse(token));
    } catch {
      throw new JsonProblem(at, "this text holds a bad escape, or ends on another line");
    }
  }

  #skip(): void {
    this.#match(blank);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#index;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    this.#index += found?.length ?? 0;
    return found;
  }

  #peek(): string {
    return this.#text.charAt(this.#index);
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#index += 1;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character))
      throw new JsonProblem(this.#position(), `expected "${character}", found ${this.#found()}`);
  }

  #found(): string {
    return this.#peek() === "" ? "the end of the file" : JSON.stringify(this.#peek());
  }

  #position(): Position {
    let [low, high] = [0, this.#lines.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lines[middle] ?? 0) <= this.#index) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: this.#index - (this.#lines[low] ?? 0) + 1 };
  }
}
