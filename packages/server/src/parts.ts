import type { Clock, Log } from "@openclaw-worker/base";
import type { ChatConfig } from "./config.ts";
import type { Caller, Guard } from "./guard.ts";
import type { Queue } from "./queue/queue.ts";
import type { Store } from "./store/store.ts";

/** What the routes stand on. */
export interface AppParts {
  readonly queue: Queue;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly guard: Guard;
  readonly chat: ChatConfig;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks: null only where no token is needed. */
    caller: Caller | null;
  }
}
