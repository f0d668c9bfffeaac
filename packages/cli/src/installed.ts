// A program that was started as root sees its installation at a place of its own. Where it really
// lies matters as well: a task that could write there would change what root starts next time.

import type { Host } from "./host.ts";
import type { Place } from "./place.ts";
import { installedAtVariable } from "./root/descend.ts";

/** Why the policy is refused because of where the installation really lies; empty when it is not. */
export async function refusedByInstallation(host: Host, place: Place): Promise<readonly string[]> {
  const installDir = host.env[installedAtVariable];
  if (installDir === undefined) return [];
  const { loadPolicy, surroundingsOf } = await import("@openclaw-worker/worker");
  const load = loadPolicy({
    path: place.policy,
    roots: host.env["OPENCLAW_WORKER_ROOTS"] ?? null,
    uid: host.uid,
    around: surroundingsOf({ home: host.home, stateHome: place.home, installDir }),
    look: true,
  });
  return load.kind === "refused" ? load.because : [];
}
