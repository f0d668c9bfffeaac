// Samples and what they come to. Contenders take turns, so that whatever else the machine does hits
// all of them.

/** Middle, bad and worst of some samples, in the samples' own unit. */
export interface Spread {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** @throws RangeError when there are no samples */
export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    samples: sorted.length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}

export function medianOf(samples: readonly number[]): number {
  return spreadOf(samples).p50;
}

// The nearest rank: always a value that was measured.
function quantile(sorted: readonly number[], q: number): number {
  const value = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
  if (value === undefined) throw new RangeError("no samples");
  return value;
}

export interface Turns {
  readonly rounds: number;
  /** Rounds before them that are not counted. */
  readonly warmup: number;
  /** Pause before each turn, in milliseconds. */
  readonly pauseMs: number;
}

/** Lets every contender take its turn, round after round; answers each one's samples, in order. */
export async function alternate(
  contenders: readonly (() => Promise<number>)[],
  { rounds, warmup, pauseMs }: Turns,
): Promise<readonly (readonly number[])[]> {
  const samples: number[][] = contenders.map(() => []);
  for (let round = -warmup; round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      if (pauseMs > 0) await pause(pauseMs);
      const sample = await contender();
      if (round >= 0) samples[index]?.push(sample);
    }
  }
  return samples;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Steady time that all processes of this machine share, in whole microseconds. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
