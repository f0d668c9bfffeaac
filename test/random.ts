/**
 * Numbers in [0, 1) that a seed repeats (mulberry32, public domain, by Tommy Ettinger): a run that
 * failed is chosen again by its seed, as far as the machine's own timing allows.
 */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The seed that the environment asks for (`CRASH_SEED`), else a new one. */
export function seedOf(env: Readonly<Record<string, string | undefined>>): number {
  const asked = Number(env["CRASH_SEED"] ?? "");
  return Number.isSafeInteger(asked) && asked > 0 ? asked : Math.floor(Math.random() * 1e9) + 1;
}
