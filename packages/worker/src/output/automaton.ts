// Looks for many words at once, one step a byte, whatever the words and the bytes are (Aho and
// Corasick, 1975, with every step of a failure worked out beforehand).

export interface Word {
  readonly bytes: Uint8Array;
  /** What the searcher calls it. */
  readonly label: number;
  /** A word to be told as soon as it is seen, or one that only begins something. */
  readonly kind: "whole" | "start";
  /** Line breaks may stand in it, as `base64` and `xxd -p` put them. */
  readonly wraps: boolean;
}

/**
 * One number is a state and what is special about it: `state << 2 | wraps << 1 | found`. The step
 * for a byte is `steps[(value >> 2) + classes[byte]]`; 0 is the beginning.
 */
export interface Automaton {
  /** 1 where a word may begin with these two bytes, `first << 8 | second`: else none begins there. */
  readonly pairs: Uint8Array;
  readonly classes: Uint8Array;
  readonly steps: Int32Array;
  /** What ends in a state that has `found` set. */
  found(value: number): Found;
  /** How many of the last bytes may still become a word. */
  depth(value: number): number;
  /** The same of whole words alone. */
  wholeDepth(value: number): number;
}

export interface Found {
  /** The longest whole word that ends here; length 0: none. */
  readonly length: number;
  readonly label: number;
  /** Labels of the starts that end here, and their lengths. */
  readonly starts: readonly { readonly label: number; readonly length: number }[];
}

/** Bits beside the state in a value. */
export const foundBit = 1;
export const wrapBit = 2;

/** A word may be broken into lines only once it has begun. */
const wrapsAfterBytes = 1;

interface Node {
  readonly depth: number;
  readonly children: Map<number, number>;
  fail: number;
  whole: boolean;
  wraps: boolean;
  wholeDepth: number;
  found: Found | null;
}

export function buildAutomaton(words: readonly Word[]): Automaton {
  const nodes = trie(words);
  const order = link(nodes);
  const { classes, width } = classesOf(words);
  const steps = stepsOf({ nodes, order, classes, width });
  const at = (value: number): Node | undefined => nodes[(value >> 2) / width];
  return {
    pairs: pairsOf(words),
    classes,
    steps,
    found: (value) => at(value)?.found ?? nothing,
    depth: (value) => at(value)?.depth ?? 0,
    wholeDepth: (value) => at(value)?.wholeDepth ?? 0,
  };
}

const nothing: Found = { length: 0, label: -1, starts: [] };

function node(depth: number): Node {
  return {
    depth,
    children: new Map(),
    fail: 0,
    whole: false,
    wraps: true,
    wholeDepth: 0,
    found: null,
  };
}

function trie(words: readonly Word[]): Node[] {
  const nodes = [node(0)];
  for (const word of words) {
    let at = 0;
    for (const byte of word.bytes) {
      const parent = nodes[at];
      if (parent === undefined) break;
      let next = parent.children.get(byte);
      if (next === undefined) {
        next = nodes.push(node(parent.depth + 1)) - 1;
        parent.children.set(byte, next);
      }
      const child = nodes[next];
      if (child === undefined) break;
      child.whole ||= word.kind === "whole";
      child.wraps &&= word.wraps && child.depth >= wrapsAfterBytes;
      at = next;
    }
    const last = nodes[at];
    if (last !== undefined) last.found = withWord(last.found ?? nothing, word);
  }
  return nodes;
}

function withWord(found: Found, { bytes, label, kind }: Word): Found {
  if (kind === "whole") {
    return bytes.length > found.length ? { ...found, length: bytes.length, label } : found;
  }
  return { ...found, starts: [...found.starts, { label, length: bytes.length }] };
}

/** Gives every node its failure and what ends in it; answers the nodes by depth. */
function link(nodes: readonly Node[]): readonly number[] {
  const order = [0];
  for (let head = 0; head < order.length; head += 1) {
    const index = order[head] ?? 0;
    const parent = nodes[index];
    for (const [byte, childIndex] of parent?.children ?? []) {
      order.push(childIndex);
      const child = nodes[childIndex];
      if (child === undefined || parent === undefined) continue;
      child.fail = index === 0 ? 0 : follow(nodes, parent.fail, byte);
      const behind = nodes[child.fail];
      child.wholeDepth = child.whole ? child.depth : (behind?.wholeDepth ?? 0);
      child.found = joined(child.found, behind?.found ?? null);
    }
  }
  return order;
}

function follow(nodes: readonly Node[], from: number, byte: number): number {
  for (let at = from; ; at = nodes[at]?.fail ?? 0) {
    const next = nodes[at]?.children.get(byte);
    if (next !== undefined) return next;
    if (at === 0) return 0;
  }
}

function joined(own: Found | null, behind: Found | null): Found | null {
  if (own === null || behind === null) return own ?? behind;
  const whole = own.length >= behind.length ? own : behind;
  return { length: whole.length, label: whole.label, starts: [...own.starts, ...behind.starts] };
}

/** Every word has two bytes or more; a line break may stand after the first. */
function pairsOf(words: readonly Word[]): Uint8Array {
  const pairs = new Uint8Array(65_536);
  for (const { bytes, wraps } of words) {
    const [first = 0, second = 0] = bytes;
    for (const next of wraps ? [second, 10, 13] : [second]) pairs[(first << 8) | next] = 1;
  }
  return pairs;
}

/** Bytes that stand in no word are one class, so that the table stays small. */
function classesOf(words: readonly Word[]): {
  readonly classes: Uint8Array;
  readonly width: number;
} {
  const used = new Set<number>([10, 13]);
  for (const { bytes } of words) for (const byte of bytes) used.add(byte);
  const classes = new Uint8Array(256);
  // With every byte in use there is no class left for the others, and none is needed.
  let next = used.size === 256 ? 0 : 1;
  const first = next;
  for (const byte of used) classes[byte] = next++;
  return { classes, width: used.size + first };
}

interface Table {
  readonly nodes: readonly Node[];
  readonly order: readonly number[];
  readonly classes: Uint8Array;
  readonly width: number;
}

function stepsOf({ nodes, order, classes, width }: Table): Int32Array {
  const steps = new Int32Array(nodes.length * width);
  for (const index of order) {
    const from = nodes[index];
    if (from === undefined) continue;
    const row = index * width;
    if (index !== 0) steps.copyWithin(row, from.fail * width, (from.fail + 1) * width);
    for (const [byte, child] of from.children) {
      const found = nodes[child]?.found === null ? 0 : foundBit;
      steps[row + (classes[byte] ?? 0)] = ((child * width) << 2) | found;
    }
  }
  // Last, because rows are copied from one another above.
  for (const [index, { depth, wraps }] of nodes.entries()) {
    if (depth === 0 || !wraps) continue;
    for (const breaks of [10, 13]) {
      steps[index * width + (classes[breaks] ?? 0)] = ((index * width) << 2) | wrapBit;
    }
  }
  return steps;
}
