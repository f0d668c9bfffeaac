import { parseArgs } from "node:util";

export interface Options {
  readonly only: readonly string[] | null;
  readonly quick: boolean;
  /** Finished tasks that a store is filled with. */
  readonly count: number | null;
  readonly json: boolean;
  readonly help: boolean;
  /** Folder for processor profiles. */
  readonly profile: string | null;
  /** Folder for results; `bench/results` when null. */
  readonly out: string | null;
}

/** @throws TypeError with a sentence when an option is unknown */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      only: { type: "string" },
      count: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      profile: { type: "string" },
      out: { type: "string" },
    },
  });
  return {
    only: values.only === undefined ? null : values.only.split(",").map((name) => name.trim()),
    quick: values.quick,
    count: countOf(values.count),
    json: values.json,
    help: values.help,
    profile: values.profile ?? null,
    out: values.out ?? null,
  };
}

function countOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new TypeError("--count must be a whole number");
  return Number(text);
}

export const help = `Usage: npm run bench -- [options]

Measures this checkout on this machine, each number beside a competitor's in the same run.
Started as root it goes on as the system user openclaw-bench: the worker refuses root.

  --only ROW,ROW    only these rows (see below)
  --quick           fewer samples: minutes become seconds, and p99 becomes a guess
  --count N         tasks of history in the row stores-history
  --json            print the results as JSON instead of a table
  --out FOLDER      where results go (bench/results)
  --profile FOLDER  write processor profiles of servers and workers there (slower)
  --help
`;
