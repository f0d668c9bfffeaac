// Texts of megabytes are garbage a moment after they were made, and V8 counts most of their memory as
// somebody else's: left alone it lets more than a hundred of them lie. This asks for a collection once
// enough has passed through; it costs some tens of milliseconds, and nothing where outputs are small.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const passedBytesMax = 6_291_456;
/** Smaller texts are young when they die, and cost nothing. */
const largeBytesMin = 262_144;

/** Counts texts of so many bytes that are no longer needed, and collects them when they are many. */
export function createCollector(): (bytes: number) => void {
  let passed = 0;
  let collect: (() => void) | null = null;
  return (bytes) => {
    if (bytes < largeBytesMin) return;
    passed += bytes;
    if (passed < passedBytesMax) return;
    passed = 0;
    collect ??= collector();
    collect();
  };
}

/** V8's own function, which only a context that is made after the flag has. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  const found: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  // This flavor also gives back the pages that are empty then; others keep them for the next time.
  const how = { type: "major", execution: "sync", flavor: "last-resort" } as const;
  return typeof found === "function" ? () => void found(how) : () => {};
}
