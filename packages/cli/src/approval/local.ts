// Approvals of the worker that runs on this computer, over its local socket.

import type { LocalApproval } from "@openclaw-worker/worker";
import type { Local, LocalView } from "@openclaw-worker/worker";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { placeOf } from "../place.ts";
import type { ApprovalSource } from "./live.ts";

/** @throws Failure when no worker runs here */
export async function needLocal(host: Host): Promise<Local> {
  const local = await findLocal(host);
  if (local !== null) return local;
  throw new Failure("No worker runs on this computer", {
    why: `nobody answers in ${placeOf(host).worker}`,
    remedy:
      "Start it (openclaw-worker worker), or name its state with OPENCLAW_WORKER_HOME;\n" +
      "for a worker elsewhere use: openclaw-worker approvals watch",
  });
}

/** The worker that runs here, or null. */
export async function findLocal(host: Host): Promise<Local | null> {
  const { openLocal } = await import("@openclaw-worker/worker");
  return await openLocal(placeOf(host).worker, host.signal);
}

export function localSource(local: Local): ApprovalSource {
  return {
    async *watch(signal) {
      let latest: LocalView | null = null;
      let wake = Promise.withResolvers<void>();
      const stop = (): void => wake.resolve();
      signal.addEventListener("abort", stop, { once: true });
      await local.watch((view) => {
        latest = view;
        wake.resolve();
      });
      const gone = local.ended.then(() => "gone" as const);
      for (;;) {
        const woken = await Promise.race([wake.promise, gone]);
        if (signal.aborted) return;
        if (woken === "gone") throw hungUp();
        wake = Promise.withResolvers();
        const view: LocalView | null = latest;
        if (view !== null) yield approvalsOf(view);
      }
    },
    async decide({ request, digest }, { verdict, grant }) {
      const problem = await local.decide({
        approvalId: request.id,
        digest,
        verdict,
        ...(grant === null ? {} : { grant }),
      });
      return problem ?? told[verdict];
    },
  };
}

const told = { once: "Allowed once", deny: "Denied", grant: "Allowed from now on" } as const;

function approvalsOf(view: LocalView): readonly LocalApproval[] {
  return view.approvals;
}

function hungUp(): Failure {
  return new Failure("The worker has hung up", {
    why: "it was stopped, or it was restarted",
    remedy: "Start it again: openclaw-worker worker",
  });
}
