import assert from "node:assert/strict";
import { test } from "node:test";
import { corpus, corpusPolicy } from "./corpus.ts";
import { policyFrom, saidOf } from "./desk.ts";

test("every command of the corpus is decided as a person would", () => {
  const policy = policyFrom(corpusPolicy);
  assert.ok(corpus.length >= 150);
  const wrong = corpus
    .map(([command, wanted]) => ({ command, wanted, said: saidOf(command, policy) }))
    .filter(({ wanted, said }) => said !== wanted)
    .map(({ command, ...rest }) => ({ command: command.slice(0, 100), ...rest }));
  assert.deepEqual(wrong, []);
});

test("without rules that narrow, nothing is allowed by rule that was not allowed before", () => {
  const loose = policyFrom({ ...corpusPolicy, rules: { allow: corpusPolicy.rules?.allow ?? [] } });
  const narrowed = /^(?:refuse|ask)$/;
  for (const [command, wanted] of corpus) {
    const said = saidOf(command, loose);
    if (wanted === "cage") assert.equal(said, "cage", command);
    if (wanted === "allow") assert.equal(said, "allow", command);
    assert.doesNotMatch(said, /refuse/, command);
    if (narrowed.test(said)) assert.match(wanted, narrowed, command);
  }
});

test("the same commands with a default that denies: only what a rule allows runs", () => {
  const strict = policyFrom({ ...corpusPolicy, default: "deny" });
  for (const [command, wanted] of corpus) {
    assert.equal(saidOf(command, strict), wanted === "cage" ? "refuse" : wanted, command);
  }
});
