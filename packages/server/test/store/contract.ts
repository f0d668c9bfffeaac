// What every engine of the store must do. One suite; each engine's test file runs it.

import { describe } from "node:test";
import type { Store } from "../../src/store/store.ts";
import { askContract } from "./contract/ask.ts";
import { claimContract } from "./contract/claim.ts";
import { endContract } from "./contract/end.ts";
import { holdContract } from "./contract/hold.ts";
import { keepContract } from "./contract/keep.ts";
import { sessionContract } from "./contract/session.ts";
import { submitContract } from "./contract/submit.ts";
import { walkContract } from "./contract/walk.ts";
import { watchContract } from "./contract/watch.ts";

/** Opens an empty store. */
export type Open = () => Promise<Store>;

/** Runs the suite on one engine; `open` gives an empty store each time. */
export function storeContract(name: string, open: Open): void {
  describe(`store contract on ${name}`, () => {
    submitContract(open);
    claimContract(open);
    sessionContract(open);
    holdContract(open);
    endContract(open);
    keepContract(open);
    askContract(open);
    watchContract(open);
    walkContract(open);
  });
}
