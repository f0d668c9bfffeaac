// Approvals of the worker that runs on this computer, over its local socket.

import fs from "node:fs";
import type { Local, LocalApproval, LocalView } from "@openclaw-worker/worker";
import { Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { placeOf } from "../place.ts";
import type { ApprovalSource } from "./live.ts";

/**
 * @param elsewhere what does the same for a worker elsewhere, or null when nothing does
 * @throws Failure when no worker runs here, or it is another user's
 */
export async function needLocal(host: Host, elsewhere: string | null): Promise<Local> {
  const local = await findLocal(host);
  if (local !== null) return local;
  throw new Failure("No worker runs on this computer", {
    why: `nobody answers in ${placeOf(host).worker}`,
    remedy:
      "Start it (openclaw-worker worker), or name its state with OPENCLAW_WORKER_HOME." +
      (elsewhere === null ? "" : `\nFor a worker elsewhere: ${elsewhere}`),
  });
}

/**
 * The worker that runs here, or null.
 * @throws Failure when it is another user's: then nobody can say whether it runs
 */
export async function findLocal(host: Host): Promise<Local | null> {
  const { home, worker } = placeOf(host);
  if (isClosed(worker)) {
    throw new Failure("The worker here is another user's", {
      why: `${worker} is closed to you`,
      remedy: `Do it as the owner of ${home}; from elsewhere with an enrolled key.`,
    });
  }
  const { openLocal } = await import("@openclaw-worker/worker");
  return await openLocal(worker, host.signal);
}

function isClosed(folder: string): boolean {
  try {
    fs.readdirSync(folder);
    return false;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "EACCES";
  }
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
