import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { taskIdSchema } from "@openclaw-worker/protocol";
import { createFatigue, type Fatigue, type Turn } from "../../src/approval/fatigue.ts";
import { openApprovalStore, type ApprovalStore } from "../../src/approval/store.ts";
import { hello, openStage, temporaryFolder } from "../stage.ts";
import { enroll, signedTask } from "./people.ts";

const hourMs = 3_600_000;

/** A store on the disk, and a clock that a test turns; nobody waits for real. */
class Desk implements Disposable {
  readonly #folder = temporaryFolder();
  nowMs = 1_700_000_000_000;
  steadyMs = 0;
  readonly slept: number[] = [];
  store: ApprovalStore;
  fatigue: Fatigue;

  constructor() {
    this.store = this.#open();
    this.fatigue = createFatigue({ clock: this.clock, store: this.store });
  }

  get clock(): Clock {
    const sleep = async (ms: number): Promise<void> => void this.slept.push(ms);
    return { ...systemClock(), now: () => this.nowMs, monotonic: () => this.steadyMs, sleep };
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.steadyMs += ms;
  }

  restart(): void {
    this.store[Symbol.dispose]();
    this.steadyMs = 0;
    this.store = this.#open();
    this.fatigue = createFatigue({ clock: this.clock, store: this.store });
  }

  /** Asks, and is answered at once. Null, or why nobody is asked. */
  async ask(submitter: string | null): Promise<string | null> {
    const turn = await this.fatigue.turn(submitter, new AbortController().signal);
    if (typeof turn === "string") return turn;
    this.store.beginAsk(askAt(this.nowMs), submitter);
    turn[Symbol.dispose]();
    return null;
  }

  #open(): ApprovalStore {
    return openApprovalStore(path.join(this.#folder, "approvals.sqlite"));
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true });
  }
}

type AskKept = Parameters<ApprovalStore["beginAsk"]>[0];
let count = 0;

function askAt(askedAt: number): AskKept {
  count += 1;
  const id = taskIdSchema.parse(`00000000-0000-7000-8000-${String(count).padStart(12, "0")}`);
  const request: AskKept["request"] = {
    version: 1,
    id,
    worker: "desk",
    taskId: id,
    attempt: 1,
    deed: { kind: "command", command: "x" },
    cwd: "/",
    env: {},
    stdin: null,
    files: [],
    cage: { outside: false, write: [], read: [], domains: [] },
    rule: null,
    policyDigest: "d",
    nonce: "n".repeat(22),
    askedAt,
    expiresAt: askedAt + 1,
  };
  return {
    taskId: id,
    fence: 1,
    instance: "i",
    request,
    digest: "0".repeat(64),
    levels: [],
    state: "waiting",
    decidedBy: null,
  };
}

test("twenty wait at once, whoever sent them, and one more when one was answered", async () => {
  using desk = new Desk();
  const { signal } = new AbortController();
  const turns: Turn[] = [];
  for (let at = 0; at < 20; at += 1) {
    const turn = await desk.fatigue.turn(at % 2 === 0 ? null : `s${at}`, signal);
    assert.ok(typeof turn !== "string");
    turns.push(turn);
  }
  assert.match(String(await desk.ask("other")), /20 questions wait for a person already/);
  turns[3]?.[Symbol.dispose]();
  assert.equal(await desk.ask("other"), null);
});

test("an hour holds sixty questions of one submitter, another's are asked, and a restart forgets none", async () => {
  using desk = new Desk();
  for (let at = 0; at < 60; at += 1) {
    assert.equal(await desk.ask("anna"), null);
    desk.pass(20_000);
  }
  assert.match(String(await desk.ask("anna")), /60 times within the hour for anna/);
  assert.equal(await desk.ask("bert"), null);
  assert.equal(await desk.ask(null), null);
  desk.restart();
  assert.match(String(await desk.ask("anna")), /60 times within the hour/);
  desk.pass(hourMs - 60 * 20_000 + 1);
  assert.equal(await desk.ask("anna"), null);
});

test("unsigned tasks share one hour, and a clock that was far ahead silences nobody for long", async () => {
  using desk = new Desk();
  desk.nowMs += 365 * 24 * hourMs;
  for (let at = 0; at < 60; at += 1) assert.equal(await desk.ask(null), null);
  assert.notEqual(await desk.ask(null), null);
  desk.nowMs -= 365 * 24 * hourMs;
  desk.restart();
  assert.equal(await desk.ask(null), null);
  desk.store.prune(desk.nowMs);
  assert.equal(desk.store.askedSince(null, desk.nowMs - hourMs), 1);
});

test("what one submitter sends faster than five in ten seconds is shown in its turn", async () => {
  using desk = new Desk();
  for (let at = 0; at < 12; at += 1) assert.equal(await desk.ask("anna"), null);
  assert.deepEqual(
    desk.slept,
    [1, 1, 1, 1, 1, 2, 2].map((rounds) => rounds * 10_000),
  );
  assert.equal(await desk.ask("bert"), null);
  for (let at = 0; at < 8; at += 1) assert.equal(await desk.ask(null), null);
  assert.equal(desk.slept.length, 7, "nobody else waits");
  desk.pass(60_000);
  assert.equal(await desk.ask("anna"), null);
  assert.equal(desk.slept.length, 7);
});

test("a task that is cancelled before its turn is never shown", async () => {
  await using stage = await openStage();
  const anna = enroll(stage, "anna", "submitter");
  await stage.start({ people: { default: "ask" } }).ready;
  const ids = Array.from({ length: 6 }, () => stage.plane.put(signedTask(hello, anna)));
  const shown = ids.slice(0, 5);
  await Promise.all(shown.map((id) => stage.plane.approval(id)));
  const [late = ""] = ids.slice(5);
  await stage.plane.until(() => (stage.plane.state(late) === "claimed" ? true : undefined));
  stage.plane.cancel(late);
  assert.equal((await stage.plane.report(late))["outcome"], "cancelled");
  assert.equal(
    stage.plane.approvals.some(({ taskId }) => taskId === late),
    false,
  );
});
