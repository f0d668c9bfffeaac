// Keeps the policy in force up to date with its file. A file that is broken, or gone, changes
// nothing: the last good policy stays, and the log says where the file is broken.

import type { Clock, Log, Timer } from "@openclaw-worker/base";
import { watchOr } from "../watching.ts";
import type { Policy } from "./book.ts";
import type { PolicyLoad } from "./load.ts";

export interface ReloadParts {
  readonly clock: Clock;
  readonly log: Log;
  /** The policy file: once there, it wins over everything else, and nothing wins over it again. */
  readonly file: string;
  /** The policy that was loaded at start. */
  readonly policy: Policy;
  /** Reads the policy anew; never throws. */
  readonly load: () => PolicyLoad;
  /** Calls back whenever the file may have changed; throws when it cannot be watched. */
  readonly watch: (changed: () => void) => Disposable;
  /** Called with every policy that comes into force later. */
  readonly onChange?: (policy: Policy) => void;
}

export interface PolicyKeeper extends Disposable {
  /** The policy in force now. */
  readonly current: () => Policy;
}

// Editors write a file in several steps.
const settleMs = 100;

export function keepPolicy(parts: ReloadParts): PolicyKeeper {
  const { clock, log, file, policy, load, watch, onChange } = parts;
  let current = policy;
  let settling: Timer | null = null;
  const reload = (): void => {
    settling = null;
    const next = load();
    if (next.kind === "policy" && [file, current.source].includes(next.policy.source)) {
      if (next.policy.digest === current.digest) return;
      current = next.policy;
      log.info("the policy has changed", { source: current.source, policy: current.digest });
      onChange?.(current);
      return;
    }
    const because =
      next.kind === "refused" ? next.because : [`${current.source} is not in force any more`];
    for (const sentence of because) log.error(`the last good policy stays in force: ${sentence}`);
  };
  const changed = (): void => {
    settling?.cancel();
    settling = clock.after(settleMs, reload);
  };
  const watching = watchOr(
    () => watch(changed),
    (why) => log.warn(`changes of the policy are not noticed (${why}): restart after one`),
  );
  return {
    current: () => current,
    [Symbol.dispose]() {
      settling?.cancel();
      watching?.[Symbol.dispose]();
    },
  };
}
