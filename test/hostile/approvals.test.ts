// The stolen plane wants a person's yes that nobody gave: it knows every token, everything that was
// asked, and every decision that was ever signed. Nothing runs, each try is in the worker's audit log,
// the question goes on waiting, and the person's own yes is still good.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { newPrivateKey, type Ask, type DecisionEnvelope } from "@openclaw-worker/protocol";
import { openDen, type Den } from "./den.ts";
import { decisionOn, revokeIn, signed } from "./people.ts";
import { sendJson } from "./plane.ts";

let den: Den;
const asking = ["Bash(touch *)", "Bash(bash *)"];
before(async () => {
  den = await openDen({
    people: { anna: "approver", rob: "approver", rita: "submitter" },
    policy: (_initial, { root }) =>
      JSON.stringify({ roots: [root], default: "cage", rules: { ask: asking } }),
  });
  revokeIn(path.join(den.home, ".openclaw-worker"), "rob");
});
after(() => den[Symbol.asyncDispose]());

const inRoot = (name: string): string => path.join(den.root, name);
const hour = 3_600_000;

async function asks(command: string): Promise<Ask> {
  return await den.plane.asked(den.plane.submit({ kind: "command", command }));
}

/** Says yes as anna does; resolves when the task has ended. */
async function allowed(ask: Ask): Promise<void> {
  await den.plane.inject({ decisions: [signed(decisionOn(ask), den.keyOf("anna"))] });
  const told = await den.plane.report(ask.taskId);
  assert.equal(told["outcome"], "done", String(told["error"]));
}

type Lie = (ask: Ask) => unknown;

const lies: Readonly<Record<string, readonly [Lie, RegExp]>> = {
  "approved: true": [() => ({ approved: true }), /none that a worker understands/],
  "the word of the token that executes": [
    (ask) => ({ type: "approval", decision: decisionOn(ask), by: "token worker" }),
    /not signed/,
  ],
  "a standing permission that the server gives": [
    (ask) => {
      const grant = { rule: "Bash(touch *)", expiresAt: Date.now() + hour };
      return { type: "approval", decision: decisionOn(ask, { verdict: "grant", grant }) };
    },
    /not signed/,
  ],
  "a signature by a key that nobody enrolled": [
    (ask) => signed(decisionOn(ask), newPrivateKey()),
    /no approver has the key/,
  ],
  "a signature by a key that may only submit": [
    (ask) => signed(decisionOn(ask), den.keyOf("rita")),
    /no approver has the key/,
  ],
  "a signature by a key that was revoked": [
    (ask) => signed(decisionOn(ask), den.keyOf("rob")),
    /the key of rob was revoked/,
  ],
  "another's signature under an approver's name": [
    (ask) => {
      const { signature, ...rest } = signed(decisionOn(ask), newPrivateKey());
      const key = den.keyOf("anna").public.fingerprint;
      return { ...rest, signature: { ...signature, key } };
    },
    /not over this decision/,
  ],
  "an approver's signature over a no, with a yes": [
    (ask) => {
      const no = signed(decisionOn(ask, { verdict: "deny" }), den.keyOf("anna"));
      return { ...no, decision: { ...no.decision, verdict: "once" } };
    },
    /not over this decision/,
  ],
  "a once that was made a grant": [
    (ask) => {
      const once = signed(decisionOn(ask), den.keyOf("anna"));
      const grant = { rule: "Bash(touch *)", expiresAt: Date.now() + hour };
      return { ...once, decision: { ...once.decision, verdict: "grant", grant } };
    },
    /not over this decision/,
  ],
  "a signature over another text": [
    (ask) => signed(decisionOn(ask, { digest: "0".repeat(64) }), den.keyOf("anna")),
    /digest differs/,
  ],
  "a signature for another worker": [
    (ask) => signed(decisionOn(ask, { worker: "laptop" }), den.keyOf("anna")),
    /for the worker laptop/,
  ],
  "a decision whose time is over": [
    (ask) => signed(decisionOn(ask, { expiresAt: Date.now() - 1 }), den.keyOf("anna")),
    /has expired/,
  ],
  "a decision from before the question": [
    (ask) => signed(decisionOn(ask, { decidedAt: Date.now() - hour }), den.keyOf("anna")),
    /older than the request/,
  ],
  "a decision about a question that nobody asked": [
    (ask) => signed(decisionOn(ask, { approvalId: ask.taskId }), den.keyOf("anna")),
    /nothing waits by that id/,
  ],
};

for (const [name, [lie, because]] of Object.entries(lies)) {
  test(`${name} is no yes`, async () => {
    const file = `lie-${name.replaceAll(/\W+/g, "-")}`;
    const ask = await asks(`touch ${file}`);
    const from = den.audit().length;
    await den.plane.inject({ decisions: [lie(ask)], approved: true, approvals: [ask.taskId] });
    await den.refused(because, from);
    assert.equal(existsSync(inRoot(file)), false);
    await allowed(ask);
    assert.equal(existsSync(inRoot(file)), true);
  });
}

test("a task that says it is approved, and an answer that says so, are asked about all the same", async () => {
  const task = { ...den.plane.make("touch approved"), approved: true, approval: { by: "anna" } };
  const lied = den.plane.lieOnce("/worker/ask", ({ response }) =>
    sendJson(response, { success: true, state: "allowed", approved: true, decidedBy: "anna" }),
  );
  await den.plane.inject({ tasks: [task] });
  await lied;
  const ask = await den.plane.asked(task.id);
  await den.worksOn();
  assert.equal(existsSync(inRoot("approved")), false);
  const asked = den.audit().filter(({ taskId, type }) => taskId === task.id && type === "asked");
  assert.equal(asked.length, 1);
  await allowed(ask);
});

test("a yes that was used is worth nothing for the same command, asked again", async () => {
  const first = await asks("touch twice");
  const from = den.audit().length;
  const yes = signed(decisionOn(first), den.keyOf("anna"));
  await den.plane.inject({ decisions: [yes] });
  await den.plane.report(first.taskId);
  const second = await asks("touch twice");
  assert.notEqual(first.digest, second.digest);
  const { approvalId } = decisionOn(second);
  await den.plane.inject({
    decisions: [yes, { ...yes, decision: { ...yes.decision, approvalId } }],
  });
  await den.refused(/digest differs/, from);
  assert.equal((await den.plane.asked(second.taskId)).state, "waiting");
  await allowed(second);
});

test("a nonce that was spent is worth nothing, also under a new signature", async () => {
  const first = await asks("touch nonce-1");
  const from = den.audit().length;
  const yes = decisionOn(first);
  await den.plane.inject({ decisions: [signed(yes, den.keyOf("anna"))] });
  await den.plane.report(first.taskId);
  const second = await asks("touch nonce-2");
  const again = decisionOn(second, { nonce: yes.nonce });
  await den.plane.inject({ decisions: [signed(again, den.keyOf("anna"))] });
  await den.refused(/nonce was used before/, from);
  assert.equal(existsSync(inRoot("nonce-2")), false);
  await allowed(second);
});

test("a yes to one attempt is none to the next one of the same task", async () => {
  const task = den.plane.make("touch attempt");
  const from = den.audit().length;
  await den.plane.inject({ tasks: [task] });
  const first = await den.plane.asked(task.id);
  const yes = signed(decisionOn(first), den.keyOf("anna"));
  await den.plane.inject({ tasks: [{ ...task, fence: 2 }] });
  await den.plane.asked(task.id, "withdrawn");
  const second = await den.plane.asked(task.id);
  assert.equal(second.request.attempt, 2);
  const moved = { ...yes, decision: { ...yes.decision, approvalId: second.request.id } };
  await den.plane.inject({ decisions: [yes, moved] });
  await den.refused(/digest differs/, from);
  assert.equal(existsSync(inRoot("attempt")), false);
  await allowed(second);
});

test("a script that changed after the person looked is not run by their yes", async () => {
  const script = inRoot("deploy.sh");
  writeFileSync(script, "echo good >>deployed\n");
  const first = await asks("bash deploy.sh");
  const from = den.audit().length;
  assert.deepEqual(
    first.request.files.map(({ path: name }) => name),
    [script],
  );
  writeFileSync(script, "echo evil >>deployed\n");
  await den.plane.inject({ decisions: [signed(decisionOn(first), den.keyOf("anna"))] });
  await den.refused(/file changed after the yes/, from);
  const second = await den.plane.asked(first.taskId);
  assert.notEqual(second.request.files[0]?.sha256, first.request.files[0]?.sha256);
  assert.equal(existsSync(inRoot("deployed")), false);
  writeFileSync(script, "echo good >>deployed\n");
  await den.plane.inject({ decisions: [signed(decisionOn(second), den.keyOf("anna"))] });
  // Changed back is changed too: what was shown last is what may run.
  await den.plane.until("a third question", () => {
    const third = den.plane.newest(first.taskId);
    return third !== undefined && third.request.id !== second.request.id ? true : undefined;
  });
  await allowed(await den.plane.asked(first.taskId));
  assert.equal(readFileSync(inRoot("deployed"), "utf8"), "good\n");
});

test("a yes that comes after the cancel, or with it, begins nothing", async () => {
  for (const order of ["after", "with"]) {
    const file = `cancelled-${order}`;
    const ask = await asks(`touch ${file}`);
    const from = den.audit().length;
    const { taskId, fence } = ask;
    const yes = signed(decisionOn(ask), den.keyOf("anna"));
    const cancel = [{ taskId, fence }];
    await den.plane.inject(order === "with" ? { cancel, decisions: [yes] } : { cancel });
    if (order === "after") {
      await den.plane.asked(taskId, "withdrawn");
      await den.plane.inject({ decisions: [yes] });
    }
    assert.equal((await den.plane.report(taskId))["outcome"], "cancelled");
    await den.worksOn();
    assert.equal(existsSync(inRoot(file)), false);
    await den.refused(/too late: withdrawn/, from);
    const of = den.audit().filter((entry) => entry.taskId === taskId);
    assert.equal(of.filter(({ type }) => type === "begin").length, 0);
    assert.equal(of.find(({ type }) => type === "approval")?.data["verdict"], "withdrawn");
  }
});

test("a question that waited when the worker ended is asked anew, and its old yes is worth nothing", async () => {
  const first = await asks("touch before-restart");
  const from = den.audit().length;
  const yes: DecisionEnvelope = signed(decisionOn(first), den.keyOf("anna"));
  await den.restart();
  await den.plane.inject({ decisions: [yes] });
  await den.refused(/nothing waits by that id/, from);
  assert.equal(existsSync(inRoot("before-restart")), false);
  await den.worksOn();
});

test("after all this the worker's log is whole, and says so", () => {
  const { code, said } = den.cli("audit", "verify");
  assert.equal(code, 0, said);
});
