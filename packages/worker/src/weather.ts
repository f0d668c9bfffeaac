import type { Clock, Log } from "@openclaw-worker/base";
import type { Answer, Call } from "./answer.ts";

export interface Weather {
  note(call: Pick<Call<unknown>, "method">, answer: Answer<unknown>): void;
}

/**
 * Says once that the server is away and why, again when the token's refusal comes or goes, and once
 * that it is back. What a poll (GET) found broken, only a poll finds whole: it is always under way.
 */
export function watchWeather(options: { readonly clock: Clock; readonly log: Log }): Weather {
  let outage: {
    readonly since: number;
    readonly unauthorized: boolean;
    readonly method: string;
  } | null = null;
  return {
    note({ method }, answer) {
      if (answer.kind === "interrupted") return;
      if (answer.kind !== "retry") {
        if (outage === null || (outage.method === "GET" && method !== "GET")) return;
        const seconds = Math.round((options.clock.monotonic() - outage.since) / 1000);
        options.log.info(`connected again after ${seconds} s`);
        outage = null;
        return;
      }
      const unauthorized = answer.why.startsWith("unauthorized");
      if (outage !== null && outage.unauthorized === unauthorized) return;
      options.log.warn(unauthorized ? answer.why : `Connection failed: ${answer.why}`);
      outage = { since: outage?.since ?? options.clock.monotonic(), unauthorized, method };
    },
  };
}
