import type { Fields } from "../fields.ts";

/** `count` runs, `parallel` at a time: the whole time and each one's, in milliseconds. */
export async function inLanes(
  params: Fields,
  run: (params: Fields) => Promise<number>,
): Promise<{ readonly elapsedMs: number; readonly samples: readonly number[] }> {
  const samples: number[] = [];
  let left = params.number("count");
  const from = performance.now();
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      samples.push(await run(params));
    }
  };
  await Promise.all(Array.from({ length: params.number("parallel") }, lane));
  return { elapsedMs: performance.now() - from, samples };
}
