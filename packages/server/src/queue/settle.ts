import type { Clock } from "@openclaw-worker/base";
import type { Settled, SettleRequest, Store } from "../store/store.ts";
import { isAway } from "./away.ts";

/** How long an old worker's result waits for a store that is away. */
const waitMsMax = 60_000;
const pauseMs = 250;

/**
 * Settles. Our own worker keeps its result and sends it again when it is refused. An old one never
 * does: while a shared store is away for a moment, its result waits here. Said twice it is one.
 */
export async function settlePatiently(
  store: Store,
  clock: Clock,
  request: SettleRequest,
): Promise<Settled> {
  const isPatient = store.shared !== null && request.fence === null;
  const until = clock.monotonic() + waitMsMax;
  for (;;) {
    try {
      return await store.settle(request);
    } catch (error) {
      if (!isPatient || !isAway(error) || clock.monotonic() >= until) throw error;
      await clock.sleep(pauseMs);
    }
  }
}
