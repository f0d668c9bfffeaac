// With required keys a stolen token is useless: the stolen plane changes signed tasks, plays them
// again, signs with keys of its own, and would like another policy, another key, the end of a stop.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { newPrivateKey, type Spec, type Task } from "@openclaw-worker/protocol";
import { openDen, type Den } from "./den.ts";
import { newNonce, proved, resumeOf, revokeIn, stopOrder } from "./people.ts";
import { taskOf, type Told } from "./plane.ts";

let den: Den;
before(async () => {
  den = await openDen({
    people: { rita: "submitter", rob: "submitter", anna: "approver", ada: "approver" },
    signer: "rita",
    policy: (_initial, { root }) =>
      JSON.stringify({ roots: [root], default: "cage", submitters: { required: true } }),
  });
  const stateHome = path.join(den.home, ".openclaw-worker");
  revokeIn(stateHome, "rob");
  revokeIn(stateHome, "ada");
});
after(() => den[Symbol.asyncDispose]());

const hour = 3_600_000;
const againMs = 1_000;
const inRoot = (name: string): string => path.join(den.root, name);
const stateFile = (name: string): string => path.join(den.home, ".openclaw-worker", name);
const command = (text: string): Spec => ({ kind: "command", command: text });
/** How often a task that appends a line to this file ran. */
const runs = (name: string): number =>
  existsSync(inRoot(name)) ? readFileSync(inRoot(name), "utf8").split("\n").length - 1 : 0;

type Sent = Partial<Task> & Pick<Task, "id">;

/** Hands it out, and again until there is another report of it. */
async function send(task: Sent): Promise<Told> {
  const before = den.plane.reports(task.id).length;
  const reported = den.plane.until(`another report of ${task.id}`, () =>
    den.plane.reports(task.id).length > before ? den.plane.reports(task.id).at(-1) : undefined,
  );
  for (;;) {
    await den.plane.inject({ tasks: [task] });
    // While an earlier report of the same task is being confirmed, a second one is not made.
    const told = await Promise.race([reported, pause(againMs)]);
    if (told !== undefined) return told;
  }
}

type Forgery = (spec: Spec) => Sent;
const rita = () => den.keyOf("rita");
const unsigned = (spec: Spec) => ({ ...taskOf(spec), spec });

const forgeries: Readonly<Record<string, readonly [Forgery, RegExp]>> = {
  "without a signature": [(spec) => unsigned(spec), /not signed/],
  "with a key that nobody enrolled": [(spec) => proved(spec, newPrivateKey()), /no submitter has/],
  "with a key that may only approve": [(spec) => proved(spec, den.keyOf("anna")), /no submitter/],
  "with a key that was revoked": [(spec) => proved(spec, den.keyOf("rob")), /rob was revoked/],
  "with another text": [
    (spec) => ({ ...proved(command("true"), rita()), spec }),
    /not over this task/,
  ],
  "with more time than was signed": [
    (spec) => ({ ...proved(spec, rita()), timeoutMs: 86_400_000 }),
    /not over this task/,
  ],
  "with another id": [
    (spec) => ({ ...proved(spec, rita()), id: unsigned(spec).id }),
    /not over this task/,
  ],
  "with variables that nobody signed": [
    (spec) => ({
      ...proved(spec, rita()),
      spec: { kind: "command", command: "echo ran >>forged", env: { BASH_ENV: "/tmp/x" } },
    }),
    /not over this task/,
  ],
  "for another worker": [
    (spec) => proved(spec, rita(), { audience: { worker: "laptop", labels: [] } }),
    /did not sign it for this worker/,
  ],
  "for a label that this worker has not": [
    (spec) => proved(spec, rita(), { audience: { labels: ["cloud"] } }),
    /did not sign it for this worker/,
  ],
  "whose audience was widened": [
    (spec) => {
      const task = proved(spec, rita(), { audience: { worker: "laptop", labels: [] } });
      return { ...task, proof: { ...task.proof, audience: { labels: [] } } };
    },
    /not over this task/,
  ],
  "whose signature is over": [
    (spec) => proved(spec, rita(), { expiresAt: Date.now() - 1 }),
    /signature has expired/,
  ],
  "whose time was made longer": [
    (spec) => {
      const task = proved(spec, rita(), { expiresAt: Date.now() - 1 });
      return { ...task, proof: { ...task.proof, expiresAt: Date.now() + hour } };
    },
    /not over this task/,
  ],
  "signed tomorrow": [
    (spec) => proved(spec, rita(), { issuedAt: Date.now() + 24 * hour }),
    /in the future/,
  ],
  "that holds for ever": [
    (spec) => proved(spec, rita(), { expiresAt: Date.now() + 400 * 24 * hour }),
    /holds too long/,
  ],
};

for (const [name, [forge, because]] of Object.entries(forgeries)) {
  test(`a task ${name} is refused, and written down`, async () => {
    const from = den.audit().length;
    const task = forge(command("echo ran >>forged"));
    const told = await send(task);
    assert.equal(told["outcome"], "refused");
    assert.match(String(told["error"]), because);
    assert.equal((await den.refused(because, from)).taskId, task.id);
    assert.equal(runs("forged"), 0);
    await den.worksOn();
  });
}

test("a signed task that is played again does not run again: at once, under a new id, after a restart, after 25 hours", async () => {
  const task = proved(command("echo ran >>once"), rita());
  assert.equal((await send(task))["outcome"], "done");
  const replays = async (): Promise<void> => {
    const from = den.audit().length;
    await send(task);
    await send({ ...task, fence: 2 });
    const id = unsigned(task.spec).id;
    assert.equal((await send({ ...task, id }))["outcome"], "refused");
    await den.refused(/not over this task/, from);
    // Rita signs two tasks by one nonce, as a thief of her program might: the second is a replay.
    const twin = proved(task.spec, rita(), { nonce: task.proof.nonce });
    assert.match(String((await send(twin))["error"]), /played again/);
    await den.refused(/played again/, from);
    assert.equal(runs("once"), 1);
  };
  await replays();
  await den.restart();
  await replays();
  await den.restart(25 * hour);
  await replays();
  // Worse than any server can do: the worker has forgotten what it ran.
  await den.worker.stop();
  for (const end of ["", "-wal", "-shm"])
    rmSync(stateFile(`worker/journal.sqlite${end}`), { force: true });
  await den.restart(25 * hour);
  const from = den.audit().length;
  assert.match(String((await send(task))["error"]), /played again/);
  assert.equal((await den.refused(/played again/, from)).taskId, task.id);
  await replays();
  await den.restart();
  await den.worksOn();
});

const loosened = { roots: ["/"], default: "cage", rules: { allow: ["Bash(*)"] } };

test("a policy, a key or a root that the server sends changes nothing", async () => {
  const before = ["policy.json", "keys.json"].map((name) => readFileSync(stateFile(name), "utf8"));
  const from = den.audit().length;
  const { text: publicKey } = newPrivateKey().public;
  const key = { name: "mallory", publicKey, roles: ["approver", "submitter"] };
  await den.plane.inject({
    policy: loosened,
    keys: [key],
    submitters: { required: false },
    decisions: [
      { type: "policy", policy: loosened },
      { type: "key", ...key },
    ],
  });
  const noted = await den.refused(/none that a worker understands/, from);
  assert.equal(noted.data["type"], "policy");
  for (const name of ["worker/beat", "worker/started", "worker/result"])
    void den.plane.lieOnce(`/${name}`, ({ response }) =>
      response.end(
        JSON.stringify({ success: true, cancel: [], stale: [], policy: loosened, keys: [key] }),
      ),
    );
  const told = await send(unsigned(command("echo ran >>loosened")));
  assert.equal(told["outcome"], "refused");
  assert.deepEqual(
    ["policy.json", "keys.json"].map((name) => readFileSync(stateFile(name), "utf8")),
    before,
  );
  assert.equal(runs("loosened"), 0);
  await den.worksOn();
});

test("not even a signed task can write the policy, the keys, or what the worker remembers", async () => {
  const files = ["policy.json", "keys.json", "STOP"];
  const contents = () =>
    files.map((name) =>
      existsSync(stateFile(name)) ? readFileSync(stateFile(name), "utf8") : null,
    );
  const before = contents();
  const content = JSON.stringify(loosened);
  for (const name of [...files, "worker/approvals.sqlite", "worker/audit.jsonl"]) {
    const file = stateFile(name);
    await send(proved({ kind: "file-write", path: file, content, encoding: "utf8" }, rita()));
    await send(proved(command(`echo '${content}' >'${file}'; rm -f '${file}'`), rita()));
    assert.equal(existsSync(file), name !== "STOP");
  }
  assert.deepEqual(contents(), before);
  await den.worksOn();
});

test("a stop that the server gave is ended by nobody but the person here, or an enrolled key", async () => {
  const order = stopOrder("to see who ends it");
  await den.plane.inject({ stop: order });
  await den.plane.until("the stop", () => (den.plane.stopped?.id === order.id ? true : undefined));
  const anna = den.keyOf("anna");
  const good = resumeOf(order.id, anna);
  const tries: readonly (readonly [unknown, RegExp])[] = [
    [{ type: "resume", resumed: true }, /none that a worker understands/],
    [resumeOf(order.id, newPrivateKey()), /no approver has the key/],
    [resumeOf(order.id, rita()), /no approver has the key/],
    [resumeOf(order.id, den.keyOf("ada")), /ada was revoked/],
    [resumeOf(order.id, anna, { worker: "laptop" }), /for the worker laptop/],
    [resumeOf(stopOrder("").id, anna), /no stop that is in force/],
    [resumeOf(order.id, anna, { expiresAt: Date.now() - 1 }), /has expired/],
    [{ ...good, resume: { ...good.resume, nonce: newNonce() } }, /not over this resume/],
    [{ ...good, signature: { ...good.signature, value: "A".repeat(86) } }, /not over this resume/],
  ];
  for (const [lie, because] of tries) {
    const from = den.audit().length;
    // The server also says that there is no stop, in every way that it has.
    await den.plane.inject({ decisions: [lie], stop: null, stopped: null, resume: true });
    await den.refused(because, from);
    assert.equal(den.plane.stopped?.id, order.id);
  }
  await den.restart();
  await den.plane.until("the stop, after a restart", () =>
    den.plane.stopped?.id === order.id ? true : undefined,
  );
  const task = proved(command("echo ran >>stopped"), rita());
  await den.plane.inject({ tasks: [task] });
  await den.plane.until("the task comes back", () =>
    den.plane.returned.has(task.id) ? true : undefined,
  );
  assert.equal(runs("stopped"), 0);
  await den.plane.inject({ decisions: [good] });
  await den.plane.until("the end of the stop", () =>
    den.plane.stopped === null ? true : undefined,
  );
  await den.worksOn();
  // The resume that counted ends no other stop.
  const again = stopOrder("once more");
  const from = den.audit().length;
  await den.plane.inject({ stop: again });
  await den.plane.until("the second stop", () =>
    den.plane.stopped?.id === again.id ? true : undefined,
  );
  await den.plane.inject({ decisions: [good] });
  await den.refused(/no stop that is in force/, from);
  assert.equal(den.cli("resume").code, 0);
  await den.worksOn();
});

test("a key file that is broken changes nothing: the keys that were read last stay in force", async () => {
  writeFileSync(stateFile("keys.json"), "{}");
  await den.worksOn();
});

test("after all this the worker's log is whole, and says so", () => {
  const { code, said } = den.cli("audit", "verify");
  assert.equal(code, 0, said);
});
