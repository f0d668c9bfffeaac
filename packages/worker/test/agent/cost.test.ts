import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { costOf, type CostMark } from "../../src/agent/claude/cost.ts";
import { claudeEnvironment } from "../../src/agent/claude/environment.ts";

const zero = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
};

/** A result after tasks of these many tokens, where the last is the one that ended. */
function resultOf(counted: readonly number[], last: number) {
  const tokens = counted.reduce((sum, one) => sum + one, 0);
  return {
    total_cost_usd: tokens,
    modelUsage: tokens === 0 ? {} : { m: { ...zero, inputTokens: tokens, outputTokens: tokens } },
    usage: {
      input_tokens: last,
      output_tokens: last,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
    },
  };
}

const tasks = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 8 });

test("costs sum to the total, whether the program counts for the session or for itself", () => {
  fc.assert(
    fc.property(tasks, fc.boolean(), (tokens, forSession) => {
      let mark: CostMark | null = null;
      const costs = tokens.map((last, index) => {
        const counted = forSession ? tokens.slice(0, index + 1) : [last];
        const cost = costOf(resultOf(counted, last), mark);
        mark = cost?.mark ?? mark;
        return cost?.costUsd;
      });
      assert.deepEqual(costs, tokens);
    }),
  );
});

test("a count that has begun anew is the task's own, also when another model counted before", () => {
  const before = { totalUsd: 5, models: { old: { ...zero, inputTokens: 10 } } };
  assert.equal(costOf(resultOf([7], 7), before)?.costUsd, 7);
});

test("a run that could not begin costs nothing and changes no mark", () => {
  const before = { totalUsd: 5, models: { m: { ...zero, inputTokens: 10 } } };
  assert.deepEqual(costOf(resultOf([], 0), before), { costUsd: 0, mark: null });
  assert.equal(costOf({ ...resultOf([], 0), total_cost_usd: null }, before), null);
});

test("claude gets a few harmless variables, and no credential of the worker's own parent", () => {
  const env = claudeEnvironment({
    base: {
      PATH: "/bin",
      HOME: "/home/ann",
      TMPDIR: "/tmp",
      https_proxy: "http://proxy:3128",
      ANTHROPIC_API_KEY: "stolen",
      ANTHROPIC_BASE_URL: "http://evil",
      CLAUDE_CODE_OAUTH_TOKEN: "stolen",
      CLAUDECODE: "1",
      WORKER_TOKEN: "stolen",
      LD_PRELOAD: "/evil.so",
      NODE_OPTIONS: "--require=/evil.js",
      SSH_AUTH_SOCK: "/agent",
    },
    configured: { CLAUDE_CODE_OAUTH_TOKEN: "configured" },
    temporary: "/home/ann/private",
  });
  assert.equal(env["TMPDIR"], "/home/ann/private");
  assert.equal(env["CLAUDE_CODE_OAUTH_TOKEN"], "configured");
  assert.equal(env["DISABLE_AUTOUPDATER"], "1");
  assert.equal(env["https_proxy"], "http://proxy:3128");
  assert.doesNotMatch(JSON.stringify(env), /stolen|evil|agent/);
  assert.equal("CLAUDECODE" in env, false);
});
