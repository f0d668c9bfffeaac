// Somebody who submits tasks and waits for their results.

import { createClient } from "@openclaw-worker/client";
import { fieldsOf, type Fields } from "../fields.ts";
import { openBotCaller, openLeanCaller, type Caller } from "../http.ts";
import { serve } from "./serve.ts";

type Life = () => Promise<unknown>;

const timeout = 600_000;
const lives = new Map<string, Promise<Life>>();
const callers = new Map<string, Caller>();

serve({
  /** One task from its submit to its result: milliseconds. */
  async one(params) {
    const live = await lifeOf(params, 0);
    const from = performance.now();
    await live();
    return performance.now() - from;
  },
  /** Many tasks, some submitters at a time: the whole time, and each one's. */
  async many(params) {
    const submitters = Array.from({ length: params.number("submitters") }, (_, lane) => lane);
    const ready = await Promise.all(submitters.map((lane) => lifeOf(params, lane)));
    const samples: number[] = [];
    let left = params.number("count");
    const begin = performance.now();
    await Promise.all(
      ready.map(async (live) => {
        while (left > 0) {
          left -= 1;
          const from = performance.now();
          await live();
          samples.push(performance.now() - from);
        }
      }),
    );
    return { elapsedMs: performance.now() - begin, samples };
  },
  /** The time of a GET. */
  async get(params) {
    const caller = callerOf(params);
    const from = performance.now();
    await caller.call("GET", params.text("path"));
    return performance.now() - from;
  },
  /** A whole life by hand, of which only the claim is timed. */
  async claim(params) {
    const caller = callerOf(params);
    const instance = params.text("instance");
    await caller.call("POST", "/tasks", JSON.stringify({ command: "true" }));
    const query = `wait=0&capacity=1&workerId=${instance}&instance=${instance}`;
    const from = performance.now();
    const text = await caller.call("GET", `/worker/poll?${query}`);
    const ms = performance.now() - from;
    const task = fieldsOf(fieldsOf(JSON.parse(text)).list("tasks")[0]);
    const held = { taskId: task.text("id"), fence: task.number("fence") };
    await caller.call("POST", "/worker/started", JSON.stringify(held));
    const report = { stdout: "", stderr: "", exitCode: 0, error: null, outcome: "done" };
    await caller.call("POST", "/worker/result", JSON.stringify({ ...held, ...report }));
    return ms;
  },
  async introduce(params) {
    const name = params.text("instance");
    const worker = {
      name,
      instance: name,
      labels: [],
      version: "bench",
      platform: "bench",
      slots: 1,
      policyDigest: "",
    };
    await callerOf(params).call("POST", "/worker/beat", JSON.stringify({ worker, held: [] }));
  },
});

function callerOf(params: Fields): Caller {
  const url = params.text("url");
  const known = callers.get(url);
  if (known !== undefined) return known;
  const made = openBotCaller({ url, token: params.text("token") });
  callers.set(url, made);
  return made;
}

function lifeOf(params: Fields, lane: number): Promise<Life> {
  const key = JSON.stringify([
    params.text("url"),
    params.text("via"),
    params.text("command"),
    lane,
  ]);
  const known = lives.get(key);
  if (known !== undefined) return known;
  const made = openLife(params);
  lives.set(key, made);
  return made;
}

async function openLife(params: Fields): Promise<Life> {
  const address = { url: params.text("url"), token: params.text("token") };
  const command = params.text("command");
  if (params.text("via") === "client") {
    const client = createClient(address);
    return () => client.run({ kind: "command", command, timeout });
  }
  const caller =
    params.text("via") === "lean" ? await openLeanCaller(address) : openBotCaller(address);
  const body = JSON.stringify({ command, timeout });
  return async () => {
    const id = fieldsOf(JSON.parse(await caller.call("POST", "/tasks", body))).text("taskId");
    const text = await caller.call("GET", `/tasks/${id}?wait=600000`);
    const status = fieldsOf(JSON.parse(text)).text("status");
    if (status !== "completed") throw new Error(`a task ended ${status}: ${text.slice(0, 500)}`);
  };
}
