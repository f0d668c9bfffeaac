// The policy's decision about a command, as the worker makes it for each task.

import { decide, parsePolicy, place, policyOf, type Policy } from "@openclaw-worker/worker";
import { serve } from "./serve.ts";
import { commands, rules } from "./commands.ts";

const root = "/home/ann/openclaw";

serve({
  /** Each decision's time in microseconds, and how many of each kind there were. */
  decide(params) {
    const policy = policyOf55();
    const ground = { home: "/home/ann", roots: policy.roots, actions: {} };
    return timed(params.number("rounds"), (command) => {
      const placed = place({ kind: "command", command }, ground);
      if (placed.kind === "unrunnable") throw new Error(placed.because);
      return decide(placed, policy, []).kind;
    });
  },
});

function policyOf55(): Policy {
  const wish = parsePolicy(JSON.stringify({ roots: [root], default: "ask", rules }));
  const policy = policyOf(wish, {
    source: "policy.json",
    roots: [{ named: root, path: root }],
    homes: ["/home/ann"],
  });
  const count = Object.values(policy.book?.rules ?? {}).flat().length;
  if (count !== 55) throw new Error(`there are ${count} rules, not 55`);
  return policy;
}

const warmupRounds = 200;

function timed(
  rounds: number,
  decideOne: (command: string) => string,
): { readonly samples: readonly number[]; readonly kinds: string } {
  const samples: number[] = [];
  const kinds = new Map<string, number>();
  for (let round = -warmupRounds; round < rounds; round += 1) {
    for (const [index, one] of commands.entries()) {
      // Never the same text twice: nothing may be remembered from the last time.
      const command = `${one} ${round + warmupRounds}x${index}`;
      const from = process.hrtime.bigint();
      const kind = decideOne(command);
      const us = Number(process.hrtime.bigint() - from) / 1_000;
      if (round < 0) continue;
      samples.push(us);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1 / rounds);
    }
  }
  return {
    samples,
    kinds: [...kinds].map(([kind, count]) => `${Math.round(count)} ${kind}`).join(", "),
  };
}
