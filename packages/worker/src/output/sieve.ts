// Lets a stream of bytes through, less what is secret in it, in one pass. A byte is let through once
// no secret can begin at it any more, so that a secret may come in any number of pieces; how much is
// held back has a limit, and so has the work for a byte, whatever is printed.

import { foundBit, wrapBit, type Automaton, type Found } from "./automaton.ts";
import { patterns, type Chase } from "./pattern.ts";
import { secretBytesMin } from "./secret.ts";

export interface Search {
  readonly automaton: Automaton;
  /** Of the known secrets, by their words' labels. */
  readonly names: readonly string[];
}

export interface Sieve {
  /** What may leave by now; it may share memory with `chunk`. */
  push(chunk: Uint8Array): Uint8Array;
  /** The rest. The beginning of a secret at the very end counts as one. */
  end(): Uint8Array;
  /** Whether anything was taken out. */
  readonly altered: boolean;
  /** The name of the first known secret that was seen, or null. */
  readonly known: string | null;
}

export function openSieve(search: Search): Sieve {
  return new BytesSieve(search);
}

/** A stretch of the stream that does not leave. Offsets count from the stream's beginning. */
interface Stretch {
  readonly from: number;
  to: number;
  /** Of the known secret; null: it only looks like one. */
  readonly label: number | null;
  /** What stands for it has left already. */
  told: boolean;
}

/** What began like a secret, and may become one. */
interface Hunt {
  /** Which pattern it is. */
  readonly label: number;
  readonly chase: Chase;
  readonly keepsStart: boolean;
  /** Nothing from here on leaves until it is sure, or over. */
  readonly from: number;
  readonly bodyFrom: number;
  stretch: Stretch | null;
}

/** More line breaks in a row than `\r\n` end a wrapped secret. */
const breaksMax = 2;
const nothing = new Uint8Array(0);

class BytesSieve implements Sieve {
  altered = false;
  readonly #search: Search;
  #label: number | null = null;
  /** Value of the automaton. */
  #value = 0;
  /** What has not left yet, the offset of its first byte, and that of the next one to come. */
  #held: Uint8Array = nothing;
  #sent = 0;
  #at = 0;
  /** The byte before the first held one. */
  #before = 0;
  /** Those that the bytes so far have not ended. */
  #hunts: Hunt[] = [];
  /** How far each pattern was followed. */
  readonly #busyTo = new Float64Array(patterns.length);
  #stretches: Stretch[] = [];
  /** Offsets of line breaks inside of what may become a wrapped secret. */
  #breaks: number[] = [];

  constructor(search: Search) {
    this.#search = search;
  }

  get known(): string | null {
    return this.#label === null ? null : (this.#search.names[this.#label] ?? "");
  }

  push(chunk: Uint8Array): Uint8Array {
    if (chunk.length === 0) return nothing;
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const from = this.#held.length;
    const waiting = this.#hunts;
    this.#hunts = [];
    for (const hunt of waiting) this.#follow(hunt, data, from);
    this.#scan(data, from);
    return this.#release(data, this.#safeEnd());
  }

  end(): Uint8Array {
    const begun = this.#search.automaton.wholeDepth(this.#value);
    if (begun >= secretBytesMin) this.#mark(this.#beginOf(begun), this.#at, null);
    for (const hunt of this.#hunts) if (hunt.chase.ends()) this.#catch(hunt, this.#at);
    this.#hunts = [];
    return this.#release(this.#held, this.#at);
  }

  #scan(data: Uint8Array, from: number): void {
    const { classes, pairs, steps } = this.#search.automaton;
    const base = this.#at - from;
    const last = data.length - 1;
    let value = this.#value;
    for (let index = from; index <= last; index += 1) {
      // Most bytes begin nothing: two at a time tell so without a step.
      if (value === 0) {
        while (index < last && pairs[((data[index] ?? 0) << 8) | (data[index + 1] ?? 0)] === 0) {
          index += 1;
        }
      }
      value = steps[(value >> 2) + (classes[data[index] ?? 0] ?? 0)] ?? 0;
      if ((value & (foundBit | wrapBit)) === 0) continue;
      this.#at = base + index + 1;
      if ((value & wrapBit) !== 0) value = this.#wrapped(value);
      else this.#meet(this.#search.automaton.found(value), data);
    }
    this.#at = base + data.length;
    this.#value = value;
  }

  /** A line break inside of a word: the automaton stands still, unless it is one too many. */
  #wrapped(value: number): number {
    const last = this.#at - 1;
    const row = this.#breaks.slice(-breaksMax);
    const full = row.length === breaksMax;
    if (full && row.every((at, index) => at === last - breaksMax + index)) return 0;
    this.#breaks.push(last);
    return value;
  }

  /** Where the last `length` bytes begin, line breaks inside of them not counted. */
  #beginOf(length: number): number {
    let begin = this.#at - length;
    for (let index = this.#breaks.length - 1; index >= 0; index -= 1) {
      if ((this.#breaks[index] ?? 0) < begin) break;
      begin -= 1;
    }
    return begin;
  }

  #meet({ length, label, starts }: Found, data: Uint8Array): void {
    if (length > 0) {
      this.#label ??= label;
      this.#mark(this.#beginOf(length), this.#at, label);
    }
    for (const start of starts) {
      const pattern = patterns[start.label];
      // One that is under way covers what begins in it: they end together.
      if (pattern === undefined || this.#at <= (this.#busyTo[start.label] ?? 0)) continue;
      const from = this.#at - start.length;
      const before = from === this.#sent ? this.#before : (data[from - this.#sent - 1] ?? 0);
      if (pattern.atWord && isLetterOrDigit(before)) continue;
      const { keepsStart } = pattern;
      const hunt: Hunt = {
        label: start.label,
        chase: pattern.chase(),
        keepsStart,
        from: keepsStart ? this.#at : from,
        bodyFrom: this.#at,
        stretch: null,
      };
      this.#follow(hunt, data, this.#at - this.#sent);
    }
  }

  /** Runs ahead with one hunt, as far as there are bytes. */
  #follow(hunt: Hunt, data: Uint8Array, from: number): void {
    const { chase } = hunt;
    const end = this.#sent + chase.take(data, from);
    if (chase.sure) {
      const stretch = hunt.stretch ?? this.#catch(hunt, end);
      stretch.to = Math.max(stretch.to, end - chase.surplus);
    }
    this.#busyTo[hunt.label] = end;
    if (!chase.over) this.#hunts.push(hunt);
  }

  #catch(hunt: Hunt, end: number): Stretch {
    const { chase, from, bodyFrom, keepsStart } = hunt;
    const begin = keepsStart ? bodyFrom + chase.spared : from;
    const stretch = this.#mark(begin, end - chase.surplus, null);
    hunt.stretch = stretch;
    return stretch;
  }

  #mark(from: number, to: number, label: number | null): Stretch {
    const last = this.#stretches.at(-1);
    // A secret of one letter over and over ends at every byte: that is one stretch.
    if (last !== undefined && last.label === label && last.from <= from && from < last.to) {
      last.to = Math.max(last.to, to);
      return last;
    }
    const stretch = { from, to, label, told: false };
    this.#stretches.push(stretch);
    return stretch;
  }

  /** Up to here no secret can begin any more that is not marked already. */
  #safeEnd(): number {
    const depth = this.#search.automaton.depth(this.#value);
    return this.#hunts.reduce(
      (end, hunt) => (hunt.stretch === null ? Math.min(end, hunt.from) : end),
      this.#beginOf(depth),
    );
  }

  #release(data: Uint8Array, safe: number): Uint8Array {
    const out: Uint8Array[] = [];
    let cursor = this.#sent;
    const piece = (to: number): void => {
      const end = Math.min(to, safe);
      if (end <= cursor) return;
      out.push(data.subarray(cursor - this.#sent, end - this.#sent));
      cursor = end;
    };
    for (const group of groupsOf(this.#stretches)) {
      if (group.from >= safe) break;
      piece(group.from);
      this.altered = true;
      if (!group.told) out.push(this.#standIn(group.label));
      for (const stretch of group.stretches) stretch.told = true;
      cursor = Math.max(cursor, Math.min(group.to, safe));
    }
    piece(safe);
    this.#keep(data, safe);
    const [only] = out;
    return out.length === 1 && only !== undefined ? only : Buffer.concat(out);
  }

  #keep(data: Uint8Array, safe: number): void {
    if (safe > this.#sent) this.#before = data[safe - this.#sent - 1] ?? 0;
    this.#held = Uint8Array.from(data.subarray(safe - this.#sent));
    this.#sent = safe;
    if (this.#breaks.length > 0) this.#breaks = this.#breaks.filter((at) => at >= safe);
    if (this.#stretches.length === 0) return;
    const open = new Set(this.#hunts.map(({ stretch }) => stretch));
    this.#stretches = this.#stretches.filter((one) => one.to > safe || open.has(one));
  }

  #standIn(label: number | null): Uint8Array {
    const name = label === null ? undefined : this.#search.names[label];
    return Buffer.from(name === undefined ? "[redacted]" : `[redacted: ${name}]`);
  }
}

interface Group {
  readonly from: number;
  readonly to: number;
  readonly label: number | null;
  readonly told: boolean;
  readonly stretches: readonly Stretch[];
}

/**
 * Stretches that overlap are one, named after the first of them: what came later may not be known
 * yet when the name leaves, and the same bytes shall look alike in whatever pieces they come.
 */
function* groupsOf(stretches: readonly Stretch[]): Generator<Group> {
  const sorted = [...stretches].sort(
    (left, right) => left.from - right.from || rank(left) - rank(right),
  );
  let index = 0;
  for (let first = sorted[index]; first !== undefined; first = sorted[index]) {
    const group = [first];
    let { to, told } = first;
    for (index += 1; index < sorted.length; index += 1) {
      const next = sorted[index];
      if (next === undefined || next.from >= to) break;
      group.push(next);
      to = Math.max(to, next.to);
      told ||= next.told;
    }
    yield { from: first.from, to, label: first.label, told, stretches: group };
  }
}

/** Of two that begin together the known one is named. */
function rank({ label }: Stretch): number {
  return label === null ? 1 : 0;
}

function isLetterOrDigit(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a)
  );
}
