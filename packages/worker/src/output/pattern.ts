// Secrets that nobody told the worker about, known by their looks: a few words that such a thing
// begins with, and what must follow. Each is followed byte for byte, with nothing to go back to, so
// that no input can make it slow. Best effort: a secret without a look of its own is not seen.

/** Follows what may be a secret, from the end of its first word on. */
export interface Chase {
  /** Whether it is a secret by now: then everything that it took belongs to it. */
  readonly sure: boolean;
  /** A byte came that is not part of it. */
  readonly over: boolean;
  /** Bytes after the first word that are no secret themselves (`user:` of a URL). */
  readonly spared: number;
  /** Bytes at the end of what was taken that do not belong to it (`@host` of a URL). */
  readonly surplus: number;
  /** Takes bytes from `from` on; answers the index of the first that it did not take. */
  take(data: Uint8Array, from: number): number;
  /** The output is at its end: whether what was seen would be too much to show. */
  ends(): boolean;
}

export interface Pattern {
  readonly starts: readonly string[];
  /** The first word is shown, and only what follows it is not. */
  readonly keepsStart: boolean;
  /** Not in the middle of a word: `task-…` is no `sk-…`. */
  readonly atWord: boolean;
  readonly chase: () => Chase;
}

/** So much of a secret at the end of the output is too much. */
const partBytes = 8;

const upperDigits = bytesOf("A-Z0-9");
const lettersDigits = bytesOf("A-Za-z0-9");
const word = bytesOf("A-Za-z0-9_-");
const segments = bytesOf("A-Za-z0-9_.-");
const bearer = bytesOf("A-Za-z0-9._~+/=-");

export const patterns: readonly Pattern[] = [
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
  token(["AKIA", "ASIA"], { allowed: upperDigits, bytesMin: 16 }),
  // https://docs.github.com/authentication: token formats
  token(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], { allowed: lettersDigits, bytesMin: 30 }),
  token(["github_pat_"], { allowed: word, bytesMin: 30 }),
  token(["xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"], {
    allowed: word,
    bytesMin: 16,
    digit: true,
  }),
  // OpenAI and Anthropic. A digit is asked for, because packages are called sk-learn-something.
  token(["sk-"], { allowed: word, bytesMin: 20, digit: true }),
  token(["AIza"], { allowed: word, bytesMin: 35 }),
  // This project's own.
  token(["ocw_"], { allowed: word, bytesMin: 20 }),
  // RFC 7519: two segments of JSON objects in base64url, and a signature.
  token(["eyJ"], { allowed: segments, bytesMin: 20, dots: 2, undecidedMax: 8_192 }),
  // RFC 6750, section 2.1
  {
    ...token(["Bearer ", "bearer ", "BEARER "], { allowed: bearer, bytesMin: 16, digit: true }),
    keepsStart: true,
  },
  { starts: ["://"], keepsStart: true, atWord: false, chase: () => new PasswordChase() },
  {
    starts: ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", "ANY "]
      .map((kind) => `-----BEGIN ${kind}PRIVATE KEY-----`)
      .concat("-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    keepsStart: false,
    atWord: false,
    chase: () => new KeyChase(),
  },
];

interface TokenShape {
  readonly allowed: Uint8Array;
  /** So many allowed bytes make it one, together with what else is asked for. */
  readonly bytesMin: number;
  readonly digit?: boolean;
  readonly dots?: number;
  /** Given up when it is still not sure after so many. */
  readonly undecidedMax?: number;
}

function token(starts: readonly string[], shape: TokenShape): Pattern {
  return { starts, keepsStart: false, atWord: true, chase: () => new TokenChase(shape) };
}

const digitFirst = 0x30;
const digitLast = 0x39;
const dot = 0x2e;

class TokenChase implements Chase {
  readonly spared = 0;
  readonly surplus = 0;
  sure = false;
  over = false;
  readonly #shape: Required<TokenShape>;
  #length = 0;
  #dots = 0;
  #digits = 0;

  constructor(shape: TokenShape) {
    this.#shape = { digit: false, dots: 0, undecidedMax: 256, ...shape };
  }

  take(data: Uint8Array, from: number): number {
    const { allowed, bytesMin, dots, digit, undecidedMax } = this.#shape;
    let index = from;
    for (; index < data.length; index += 1) {
      const byte = data[index] ?? 0;
      if (allowed[byte] === 0) {
        this.over = true;
        break;
      }
      if (this.sure) continue;
      this.#length += 1;
      if (byte === dot) this.#dots += 1;
      else if (byte >= digitFirst && byte <= digitLast) this.#digits += 1;
      this.sure = this.#length >= bytesMin && this.#dots >= dots && (this.#digits > 0 || !digit);
      if (!this.sure && this.#length >= undecidedMax) {
        this.over = true;
        break;
      }
    }
    return index;
  }

  ends(): boolean {
    const { bytesMin, digit } = this.#shape;
    const enough = this.#length >= Math.min(partBytes, bytesMin);
    return this.sure || (enough && (this.#digits > 0 || !digit));
  }
}

const passwordUndecidedMax = 1_024;
const colon = 0x3a;
const at = 0x40;
// What ends the part of a URL before its path (RFC 3986, section 3.2), and what a URL stands in.
const urlEnds = bytesOf(" \t\r\n/?#\"'`<>|\\");

/** `scheme://user:password@host`: what stands between the first colon and the last `@`. */
class PasswordChase implements Chase {
  over = false;
  #length = 0;
  #colonAt = -1;
  #lastAt = -1;

  get sure(): boolean {
    return this.over && this.#colonAt >= 0 && this.#lastAt > this.#colonAt + 1;
  }

  get spared(): number {
    return this.#colonAt + 1;
  }

  get surplus(): number {
    return this.#length - this.#lastAt;
  }

  take(data: Uint8Array, from: number): number {
    let index = from;
    for (; index < data.length; index += 1) {
      const byte = data[index] ?? 0;
      this.over = urlEnds[byte] === 1 || this.#length >= passwordUndecidedMax;
      if (this.over) break;
      if (byte === colon && this.#colonAt < 0) this.#colonAt = this.#length;
      else if (byte === at) this.#lastAt = this.#length;
      this.#length += 1;
    }
    return index;
  }

  ends(): boolean {
    this.over = true;
    return this.sure;
  }
}

const keyBody = bytesOf("A-Za-z0-9+/=");
// Line ends, also as JSON writes them; marks of quotes and of line numbers; headers (RFC 1421).
const keyBetween = bytesOf(" \t\r\n\\:,->|#*.()_;@");
const keyEnd = bytesOf("A-Z -");
/** A line of a key is longer than any word. */
const keyRunMin = 40;
const keyPartMin = 16;
const keyUndecidedMax = 2_048;
const keyBytesMax = 32_768;
const dash = 0x2d;

/** From the line that begins a private key to the one that ends it. */
class KeyChase implements Chase {
  readonly spared = 0;
  readonly surplus = 0;
  sure = false;
  over = false;
  #length = 0;
  #run = 0;
  #longest = 0;
  #dashes = 0;
  #ending = false;

  take(data: Uint8Array, from: number): number {
    let index = from;
    for (; index < data.length; index += 1) {
      this.over = !this.#takes(data[index] ?? 0);
      if (this.over) break;
    }
    return index;
  }

  ends(): boolean {
    return this.sure || this.#longest >= keyPartMin;
  }

  #takes(byte: number): boolean {
    this.#length += 1;
    // "-----END … PRIVATE KEY-----"
    if (this.#ending) return keyEnd[byte] === 1;
    const inBody = keyBody[byte] === 1;
    if (!inBody && keyBetween[byte] === 0) return false;
    this.#dashes = byte === dash ? this.#dashes + 1 : 0;
    this.#ending = this.sure && this.#dashes === 5;
    this.#run = inBody ? this.#run + 1 : 0;
    this.#longest = Math.max(this.#longest, this.#run);
    this.sure ||= this.#run >= keyRunMin;
    return this.#length < (this.sure ? keyBytesMax : keyUndecidedMax);
  }
}

/** A table of bytes: those of the text, `A-Z` and its like spelled out. */
function bytesOf(text: string): Uint8Array {
  const table = new Uint8Array(256);
  const spelled = text.replaceAll(/([A-Za-z0-9])-([A-Za-z0-9])/g, (_, from: string, to: string) =>
    Array.from({ length: to.charCodeAt(0) - from.charCodeAt(0) + 1 }, (_, index) =>
      String.fromCharCode(from.charCodeAt(0) + index),
    ).join(""),
  );
  for (const byte of Buffer.from(spelled, "latin1")) table[byte] = 1;
  return table;
}
