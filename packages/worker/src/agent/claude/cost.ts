// What one task cost. Claude Code says a total: of this process (measured with 2.1.100), or of the
// whole session, earlier processes included (2.1.330). It does not say which.

import type { ClaudeResult, ClaudeUsage, ModelUsage } from "./wire.ts";

/** The last total that a session was seen with. */
export interface CostMark {
  readonly totalUsd: number;
  readonly models: Readonly<Record<string, ModelUsage>>;
}

/** Where the last totals are kept, by session. */
export interface Costs {
  read(sessionId: string): CostMark | null;
  write(sessionId: string, mark: CostMark): void;
}

/**
 * The cost in US dollars of the task that `result` ended, and what to remember for the next; null
 * when it does not say. A session that was begun elsewhere, and so has no mark, is billed with all
 * that its total says.
 */
export function costOf(
  result: Pick<ClaudeResult, "total_cost_usd" | "modelUsage" | "usage">,
  before: CostMark | null,
): { readonly costUsd: number; readonly mark: CostMark | null } | null {
  const { total_cost_usd: totalUsd, modelUsage: models, usage } = result;
  if (totalUsd === null) return null;
  // One that could not begin has counted nothing: what is remembered stays.
  if (totalUsd === 0 && Object.keys(models).length === 0) return { costUsd: 0, mark: null };
  const mark = { totalUsd, models };
  if (before === null) return { costUsd: totalUsd, mark };
  const goesOn = totalUsd >= before.totalUsd && continues(models, before, usage);
  return { costUsd: goesOn ? totalUsd - before.totalUsd : totalUsd, mark };
}

/**
 * Does this count go on from that mark? Then no number is smaller than it was, and what was added
 * covers at least what the main agent used in this task.
 */
function continues(
  models: Readonly<Record<string, ModelUsage>>,
  before: CostMark,
  usage: ClaudeUsage | null,
): boolean {
  const grown = Object.entries(before.models).every(([name, was]) => {
    const now = models[name];
    return (
      now !== undefined &&
      now.inputTokens >= was.inputTokens &&
      now.outputTokens >= was.outputTokens &&
      now.cacheReadInputTokens >= was.cacheReadInputTokens &&
      now.cacheCreationInputTokens >= was.cacheCreationInputTokens
    );
  });
  if (!grown || usage === null) return grown;
  const added = (field: keyof ModelUsage): number =>
    sumOf(models, field) - sumOf(before.models, field);
  return added("inputTokens") >= usage.input_tokens && added("outputTokens") >= usage.output_tokens;
}

function sumOf(models: Readonly<Record<string, ModelUsage>>, field: keyof ModelUsage): number {
  return Object.values(models).reduce((sum, model) => sum + model[field], 0);
}
