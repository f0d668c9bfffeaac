// Makes the answers of a hostile server out of what it saw: signed tasks that are really signed, with
// one field flipped; tasks, decisions and resumes that were used; orders of its own; junk.

import { randomBytes } from "node:crypto";
import {
  heldSchema,
  newTaskId,
  type Ask,
  type DecisionEnvelope,
  type PrivateKey,
  type ResumeEnvelope,
  type Task,
} from "@openclaw-worker/protocol";
import { decisionOn, proved, resumeOf, signed } from "./people.ts";

export interface Forger {
  /** An answer to a poll, with what the caller adds. */
  answer(honest: object): Forged;
  sawDone(task: Task): void;
  sawAsk(ask: Ask): void;
  sawDecision(envelope: DecisionEnvelope): void;
  sawResume(envelope: ResumeEnvelope): void;
}

export interface Forged {
  readonly body: string;
  /** How many lies are in it, and the ids of tasks among them that must be answered. */
  readonly count: number;
  readonly ids: readonly string[];
}

export interface ForgerParts {
  /** Numbers in [0, 1). */
  readonly chance: () => number;
  readonly rita: PrivateKey;
  readonly anna: PrivateKey;
  readonly thief: PrivateKey;
}

type Value = unknown;
interface Answer {
  readonly tasks: Value[];
  readonly decisions: Value[];
  readonly cancel: Value[];
  readonly more: Record<string, Value>;
}

const seenMax = 200;

export function openForger({ chance, rita, anna, thief }: ForgerParts): Forger {
  const done: Task[] = [];
  const asks: Ask[] = [];
  const decisions: DecisionEnvelope[] = [];
  const resumes: ResumeEnvelope[] = [];
  let forged = 0;

  const below = (count: number): number => Math.floor(chance() * count);
  const pick = <T>(list: readonly T[]): T | undefined => list[below(list.length)];
  const keep = <T>(list: T[], one: T): void => {
    list.push(one);
    if (list.length > seenMax) list.shift();
  };
  const newId = () => newTaskId(Date.now(), randomBytes(10));

  /** Really signed, and never handed out as it is: whatever runs of it is a forgery. */
  const decoy = (): Task => {
    forged += 1;
    const word = `forged-${forged}`;
    return proved(
      {
        kind: "command",
        command: `echo ${word} >>ran`,
        cwd: ".",
        env: { WORD: word },
        stdin: word,
      },
      rita,
      { audience: { worker: "den", labels: [] } },
    );
  };
  const strangers = (): Value => {
    forged += 1;
    return proved({ kind: "command", command: `echo forged-${forged} >>ran` }, thief);
  };
  const unsigned = (): Value => {
    const { proof: _proof, ...task } = decoy();
    return { ...task, approved: true, signed: true, submitter: "rita" };
  };
  /** Of what a signature covers, one thing is another. */
  const flippedTask = (): Value => {
    const { id, spec, timeoutMs, proof, ...free } = decoy();
    return { ...free, ...objectOf(flip({ id, spec, timeoutMs, proof }, chance)) };
  };
  const swapped = (): Value => {
    const [one, other] = [decoy(), decoy()];
    return chance() < 0.5 ? { ...one, proof: other.proof } : { ...one, id: other.id };
  };
  const replay = (): Value => {
    const task = pick(done);
    if (task === undefined) return flippedTask();
    const fence = 1 + below(1_000);
    return [
      () => ({ ...task, fence }),
      () => ({ ...task, fence, id: newId() }),
      () => ({ ...task, fence, createdAt: Date.now(), reason: "again", metadata: { again: true } }),
      () => ({ ...decoy(), proof: task.proof }),
      () => ({ ...task, id: newId(), proof: decoy().proof }),
      () =>
        proved({ kind: "command", command: "echo forged-nonce >>ran" }, rita, {
          nonce: task.proof?.nonce ?? "",
        }),
    ][below(6)]?.();
  };

  const decision = (): Value => {
    const ask = pick(asks);
    const used = pick(decisions);
    if (ask === undefined) return used ?? { approved: true };
    const good = signed(decisionOn(ask), anna);
    return [
      () => flip(good, chance),
      () => ({ type: "approval", decision: decisionOn(ask), by: "anna" }),
      () => signed(decisionOn(ask), thief),
      () => signed(decisionOn(ask), rita),
      () => used,
      () => ({ ...good, signature: used?.signature }),
      () => signed(decisionOn(ask, { digest: "f".repeat(64) }), anna),
      () => signed(decisionOn(ask, { worker: "laptop" }), anna),
      () => signed(decisionOn(ask, { expiresAt: Date.now() - 1 }), anna),
      () => ({ approved: true, approvalId: ask.request.id }),
    ][below(10)]?.();
  };
  const resume = (): Value => {
    const used = pick(resumes);
    const stopId = used?.resume.stopId ?? newId();
    return [
      () => used,
      () => resumeOf(stopId, thief),
      () => resumeOf(stopId, anna, { worker: "laptop" }),
      () => flip(resumeOf(stopId, anna), chance),
      () => ({ type: "resume", stopId, resumed: true }),
    ][below(5)]?.();
  };
  const junk = (depth = 0): Value => {
    const leaves: readonly Value[] = [null, true, -1, 1e300, "", "\u202e\u0000\ud800", "rm -rf ~"];
    const kind = below(depth > 3 ? 1 : 4);
    if (kind === 1) return Array.from({ length: below(5) }, () => junk(depth + 1));
    if (kind === 2)
      return Object.fromEntries(
        ["id", "fence", "spec", "__proto__", "type"].map((key) => [key, junk(depth + 1)]),
      );
    return pick(leaves);
  };

  const makers: readonly (readonly [number, (answer: Answer) => void])[] = [
    [10, ({ tasks }) => tasks.push(flippedTask())],
    [4, ({ tasks }) => tasks.push(replay())],
    [2, ({ tasks }) => tasks.push(swapped())],
    [2, ({ tasks }) => tasks.push(strangers())],
    [2, ({ tasks }) => tasks.push(unsigned())],
    [2, ({ tasks }) => tasks.push(junk())],
    [6, (answer) => answer.decisions.push(decision())],
    [3, (answer) => answer.decisions.push(resume())],
    [1, (answer) => answer.decisions.push(junk())],
    [1, ({ cancel }) => cancel.push(junk(), { taskId: newId(), fence: 1 })],
    [1, ({ more }) => (more["policy"] = { roots: ["/"], rules: { allow: ["Bash(*)"] } })],
    [1, ({ more }) => (more["keys"] = [{ name: "thief", publicKey: thief.public.text }])],
    [1, ({ more }) => (more["stop"] = pick([null, false, {}, "no", { id: newId() }]))],
  ];
  const total = makers.reduce((sum, [weight]) => sum + weight, 0);
  const add = (answer: Answer): void => {
    let at = below(total);
    for (const [weight, make] of makers) {
      if (at < weight) return void make(answer);
      at -= weight;
    }
  };

  return {
    answer(honest) {
      const answer: Answer = { tasks: [], decisions: [], cancel: [], more: {} };
      // One that is new to the worker in each: else it slows down, as it should.
      answer.tasks.push(flippedTask());
      const count = 1 + below(4);
      for (let at = 1; at < count; at += 1) add(answer);
      const given: Record<string, Value> = objectOf(honest);
      const merged = {
        stop: null,
        ...answer.more,
        ...given,
        tasks: shuffled([...answer.tasks, ...listOf(given["tasks"])], chance),
        decisions: shuffled([...answer.decisions, ...listOf(given["decisions"])], chance),
        cancel: answer.cancel,
      };
      const text = JSON.stringify(merged);
      // Cut or flipped below JSON: nothing of it counts, and what was honest in it comes to nothing.
      const broken = Object.keys(given).length === 0 && chance() < 0.005;
      const body = broken ? text.slice(0, below(text.length)) : text;
      return { body, count, ids: broken ? [] : answer.tasks.flatMap((task) => idOf(task, done)) };
    },
    sawDone: (task) => keep(done, task),
    sawAsk: (ask) => keep(asks, ask),
    sawDecision: (envelope) => keep(decisions, envelope),
    sawResume: (envelope) => keep(resumes, envelope),
  };
}

/** The same value with one leaf changed, left out, or beside a field that nobody knows. */
export function flip(value: unknown, chance: () => number): unknown {
  const leaves = leavesOf(value);
  const chosen = leaves[Math.floor(chance() * leaves.length)] ?? [];
  const how = chance();
  return at(structuredClone(value), chosen, (leaf, parent, key) => {
    if (how < 0.1) delete parent[key];
    // Beside a task's own fields others mean nothing: with one more it is still the task as signed.
    else if (how < 0.15 && chosen.length > 1) parent[`${key}2`] = leaf;
    else parent[key] = another(leaf, chance);
  });
}

function another(leaf: unknown, chance: () => number): unknown {
  if (typeof leaf === "number") return leaf + (chance() < 0.5 ? 1 : -1);
  if (typeof leaf !== "string") return "x";
  if (leaf === "") return "x";
  const place = Math.floor(chance() * leaf.length);
  const characters = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF";
  const others = [...characters].filter((one) => one !== leaf[place]);
  const other = others[Math.floor(chance() * others.length)] ?? "x";
  return leaf.slice(0, place) + other + leaf.slice(place + 1);
}

type Place = readonly string[];

function leavesOf(value: unknown, place: Place = []): readonly Place[] {
  if (typeof value !== "object" || value === null) return [place];
  return Object.entries(value).flatMap(([key, member]) => leavesOf(member, [...place, key]));
}

function at(
  value: unknown,
  [key, ...rest]: Place,
  change: (leaf: unknown, parent: Record<string, unknown>, key: string) => void,
): unknown {
  if (key === undefined || !isRecord(value)) return value;
  if (rest.length === 0) change(value[key], value, key);
  else at(value[key], rest, change);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function objectOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The id, unless the worker knows it: what ran is answered as it was, and may be so only once. */
function idOf(task: unknown, done: readonly Task[]): readonly string[] {
  const label = heldSchema.safeParse({
    taskId: objectOf(task)["id"],
    fence: objectOf(task)["fence"],
  });
  if (!label.success) return [];
  const { taskId } = label.data;
  return done.some(({ id }) => id === taskId) ? [] : [taskId];
}

function shuffled(values: readonly unknown[], chance: () => number): readonly unknown[] {
  return values
    .map((value) => ({ value, order: chance() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
