import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { systemClock, type Clock } from "@openclaw-worker/base";
import { auditCopySchema, type AuditCopy } from "@openclaw-worker/protocol";
import { judgeCopy, type Known } from "../../../server/src/audit/witness.ts";
import { copyAudit, type Copied } from "../../src/audit/copy.ts";
import type { Audit } from "../../src/audit/log.ts";
import { fill, openDesk, type Desk } from "./desk.ts";

/** The server's side: the real witness, and what it kept. */
class Server {
  known: Known | null = null;
  readonly entries: string[] = [];
  readonly copies: AuditCopy[] = [];
  answer: (copied: Copied) => Copied | null = (copied) => copied;
  readonly #watchers = new Set<() => void>();

  readonly send = async (copy: AuditCopy): Promise<Copied | null> => {
    const parsed = auditCopySchema.parse(JSON.parse(JSON.stringify(copy)));
    this.copies.push(parsed);
    const judged = judgeCopy(this.known, parsed);
    this.known = judged.known;
    this.entries.push(...judged.entries);
    queueMicrotask(() => this.#watchers.forEach((look) => look()));
    return this.answer({ size: judged.size, alarm: judged.alarm });
  };

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }
}

test("the copy follows the log, in order, and rests when there is nothing new", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  await fill(audit, 2_345);
  const server = new Server();
  await using _copying = copying(audit, server, desk);
  await server.until(() => server.entries.length === 2_345);
  assert.deepEqual(server.copies[0]?.entries, [], "the first message asks where the server is");
  assert.ok(server.copies.every((copy) => copy.entries.length <= 1_000));
  const before = server.copies.length;
  await fill(audit, 3);
  await server.until(() => server.entries.length === 2_348);
  assert.equal(server.copies.length, before + 1);
  assert.deepEqual(server.entries, desk.lines());
  assert.equal(server.known?.head.checkpoint.root, audit.head().checkpoint.root);
});

test("after a restart of the worker the copy goes on where the server is", async () => {
  using desk = openDesk();
  const server = new Server();
  for (const count of [5, 9]) {
    await using audit = await desk.open();
    await fill(audit, count);
    await using _copying = copying(audit, server, desk);
    await server.until(() => server.entries.length === audit.size());
  }
  assert.deepEqual(server.entries, desk.lines());
});

test("a server that is away, fails or takes nothing is tried again", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  await fill(audit, 10);
  const server = new Server();
  let tries = 0;
  server.answer = (copied) => {
    tries += 1;
    if (tries === 2) throw new Error("no line");
    return tries < 5 ? null : copied;
  };
  await using _copying = copying(audit, server, desk);
  await server.until(() => server.entries.length === 10 && tries >= 6);
});

test("a log that was begun anew is an alarm, told loudly and noted", async () => {
  using desk = openDesk();
  const server = new Server();
  {
    await using audit = await desk.open();
    await fill(audit, 10);
    await using _copying = copying(audit, server, desk);
    await server.until(() => server.entries.length === 10);
  }
  for (const name of ["entries", "hashes", "heads"] as const) rmSync(desk.file(name));
  await using audit = await desk.open();
  await fill(audit, 3);
  await using _copying = copying(audit, server, desk);
  await server.until(() => desk.logged.some((line) => /AUDIT ALARM.*begun anew/.test(line)));
  await audit.flushed();
  assert.match(desk.lines().join("\n"), /"what":"audit copy"/);
  assert.equal(server.entries.length, 10, "what the server knew stays");
});

test("a log that was put back to an earlier state is an alarm", async () => {
  using desk = openDesk();
  const server = new Server();
  const names = ["entries", "hashes", "heads"] as const;
  await using stack = new AsyncDisposableStack();
  {
    await using audit = await desk.open();
    await fill(audit, 4);
  }
  const backup = names.map((name) => readFileSync(desk.file(name)));
  {
    await using audit = await desk.open();
    await fill(audit, 6);
    await using _copying = copying(audit, server, desk);
    await server.until(() => server.entries.length === 10);
  }
  for (const [index, name] of names.entries()) writeFileSync(desk.file(name), backup[index] ?? "");
  const audit = stack.use(await desk.open());
  stack.use(copying(audit, server, desk));
  await server.until(() => desk.logged.some((line) => /AUDIT ALARM.*was cut/.test(line)));
});

test("a server that claims more than there is, or loses its copy, is told of loudly", async () => {
  using desk = openDesk();
  await using audit = await desk.open();
  await fill(audit, 10);
  const server = new Server();
  server.answer = (copied) => ({ ...copied, size: 99 });
  {
    await using _copying = copying(audit, server, desk);
    await server.until(() => desk.logged.some((line) => /AUDIT ALARM.*the server lies/.test(line)));
  }
  server.answer = (copied) => copied;
  await using _copying = copying(audit, server, desk);
  await server.until(() => server.entries.length === audit.size());
  server.known = null;
  await fill(audit, 1);
  await server.until(() => desk.logged.some((line) => /AUDIT ALARM.*now that it has 0/.test(line)));
});

function copying(audit: Audit, server: Server, desk: Desk): AsyncDisposable {
  const stop = new AbortController();
  const { log } = desk.options;
  const parts = { audit, clock: hurried(systemClock()), log, random: () => 0.5 };
  const ended = copyAudit({ ...parts, send: server.send }, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

/** A clock whose pauses are a thousand times shorter. */
function hurried(clock: Clock): Clock {
  return { ...clock, sleep: (delayMs, signal) => clock.sleep(delayMs / 1_000, signal) };
}
