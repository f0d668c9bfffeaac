// A fully hostile API server that knows every token: more than ten thousand answers to polls, made by
// chance out of real signed tasks, decisions, resumes and stops, whose fields are flipped, moved and
// played again, between honest tasks. The policy takes signed tasks only and asks about some. A marker
// says what ran: each honest task once, and nothing else. HOSTILE_SEED repeats a run.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { newPrivateKey, type Ask, type Task } from "@openclaw-worker/protocol";
import { seeded } from "../random.ts";
import { openDen, type Den } from "./den.ts";
import { openForger } from "./forger.ts";
import { decisionOn, proved, resumeOf, signed, stopOrder } from "./people.ts";
import { sendJson } from "./plane.ts";

const answersMin = 10_000;
const honestEvery = 80;
const honestMin = 100;
/** Of the honest ones, each so many-th needs a person's yes: people are not asked without end. */
const askedEvery = 5;
const stopEvery = 1_000;
const undeliveredMax = 100;
/** From the middle of the run to its end, and altogether. */
const grownMiBMax = 96;
const memoryMiBMax = 512;

test("of ten thousand generated answers, exactly the honestly signed tasks run, each once", async (t) => {
  const seed = Number(process.env["HOSTILE_SEED"]) || Math.ceil(Math.random() * 1e9);
  t.diagnostic(`HOSTILE_SEED=${seed}`);
  await using den = await openDen({
    people: { rita: "submitter", anna: "approver" },
    signer: "rita",
    policy: (_initial, { root }) =>
      JSON.stringify({
        roots: [root],
        default: "cage",
        rules: { ask: ["Bash(dd *)"] },
        submitters: { required: true },
      }),
  });
  const siege = layTo(den, seeded(seed));
  let warm = 0;
  // On a slow computer more answers pass beside each honest task: the siege is that much longer.
  while (siege.answers < answersMin || siege.honestly.length < honestMin) {
    await siege.salvo(honestEvery);
    await siege.honest();
    if (siege.answers % stopEvery < honestEvery) await siege.stopAndResume();
    if (warm === 0 && siege.answers > answersMin / 2) warm = den.memory();
  }
  const memory = den.memory();
  const grown = memory - warm;
  siege.retreat();
  await den.worksOn();
  const ran = existsSync(path.join(den.root, "ran"))
    ? readFileSync(path.join(den.root, "ran"), "utf8").trim().split("\n")
    : [];
  assert.deepEqual(ran.toSorted(), siege.honestly.toSorted());
  assert.ok(ran.length > 90, `${ran.length} honest tasks ran`);
  assert.ok(grown < grownMiBMax, `it grew by ${Math.round(grown)} MiB`);
  assert.ok(memory < memoryMiBMax, `it has ${Math.round(memory)} MiB`);
  const { code, said } = den.cli("audit", "verify");
  assert.equal(code, 0, said);
  const refused = den.audit().filter(({ type }) => type === "refused").length;
  assert.ok(refused > 1_000, `${refused} refusals in the log`);
  t.diagnostic(
    `${siege.answers} answers with ${siege.messages} messages, ${ran.length} honest tasks, ` +
      `${refused} refusals noted, grown by ${Math.round(grown)} MiB`,
  );
});

interface Siege {
  /** Answers to polls so far, and what was in them. */
  readonly answers: number;
  readonly messages: number;
  /** What the honest tasks write when they run. */
  readonly honestly: readonly string[];
  /** So many hostile answers, each to the next poll. */
  salvo(count: number): Promise<void>;
  /** An honest task among hostile answers, to its end. */
  honest(): Promise<void>;
  /** A stop, hostile answers that would end it, and the person's own resume. */
  stopAndResume(): Promise<void>;
  /** From now on polls are answered honestly. */
  retreat(): void;
}

function layTo(den: Den, chance: () => number): Siege {
  const { plane } = den;
  const [rita, anna] = [den.keyOf("rita"), den.keyOf("anna")];
  const forger = openForger({ chance, rita, anna, thief: newPrivateKey() });
  const honestly: string[] = [];
  /** Honest words that ride on the next answers. */
  let burden: object = {};
  let failure: unknown = null;
  let [answers, messages] = [0, 0];
  const unanswered = new Set<string>();

  // A worker that cannot deliver in time is not what is tested: the plane waits for it.
  const paced = async (): Promise<void> => {
    if (unanswered.size < undeliveredMax) return;
    await plane.until("results of what was sent", () => {
      for (const id of unanswered)
        if (plane.reports(id).length > 0 || plane.returned.has(id)) unanswered.delete(id);
      return unanswered.size < undeliveredMax / 2 || plane.stopped !== null ? true : undefined;
    });
  };
  const answer = async (respond: (text: string) => void): Promise<void> => {
    await paced();
    const { body, count, ids } = forger.answer(burden);
    burden = {};
    answers += 1;
    messages += count;
    for (const id of ids) unanswered.add(id);
    respond(body);
  };
  plane.lieAlways("/worker/poll", ({ response }) => {
    answer((body) => sendJson(response, body)).catch((thrown: unknown) => (failure = thrown));
  });

  const salvo = async (count: number): Promise<void> => {
    const target = answers + count;
    await plane.until(`${count} polls`, () =>
      answers >= target || failure !== null ? true : undefined,
    );
    if (failure !== null) throw failure;
  };
  const deliver = async (honest: object): Promise<void> => {
    burden = honest;
    await salvo(2);
  };
  /** Hands it out until it is taken: a worker whose slots are full gives it back. */
  const handOut = async (task: Task): Promise<void> => {
    for (let fence = 1; ; fence += 1) {
      plane.returned.delete(task.id);
      await deliver({ tasks: [{ ...task, fence }] });
      const end = await plane.until(`what becomes of ${task.id}`, () => {
        if (plane.reports(task.id).length > 0) return "over";
        if (plane.newest(task.id)?.state === "waiting") return "asked";
        return plane.returned.has(task.id) ? "back" : undefined;
      });
      if (end !== "back") return;
    }
  };
  const decide = async (ask: Ask): Promise<void> => {
    forger.sawAsk(ask);
    await salvo(20);
    assert.equal(plane.newest(ask.taskId)?.state, "waiting", "nobody has said yes yet");
    const yes = signed(decisionOn(ask), anna);
    forger.sawDecision(yes);
    await deliver({ decisions: [yes] });
  };

  return {
    get answers() {
      return answers;
    },
    get messages() {
      return messages;
    },
    honestly,
    salvo,
    async honest() {
      const word = `honest-${honestly.length}`;
      const asks = honestly.length % askedEvery === 0;
      honestly.push(word);
      const task = proved({ kind: "command", command: marker(word, asks) }, rita);
      await handOut(task);
      if (asks) await decide(await plane.asked(task.id));
      const told = await plane.report(task.id);
      assert.equal(told["outcome"], "done", String(told["error"]));
      forger.sawDone(task);
    },
    async stopAndResume() {
      const order = stopOrder("a stop among others");
      await deliver({ stop: order });
      await plane.until("the stop", () => (plane.stopped === null ? undefined : true));
      await salvo(30);
      const stop = plane.stopped ?? assert.fail("a lie has ended the stop");
      const resume = resumeOf(stop.id, anna);
      await deliver({ decisions: [resume] });
      await plane.until("the end of the stop", () => (plane.stopped === null ? true : undefined));
      forger.sawResume(resume);
    },
    retreat: () => plane.lieAlways("/worker/poll", null),
  };
}

/** Appends a line to what ran; `dd` is what the policy asks about. */
function marker(word: string, asks: boolean): string {
  return asks
    ? `echo ${word} | dd oflag=append conv=notrunc of=ran status=none`
    : `echo ${word} >>ran`;
}
