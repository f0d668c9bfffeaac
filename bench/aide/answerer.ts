// A worker that speaks the whole protocol and runs nothing: what it is handed has succeeded.

import { fieldsOf, type Fields } from "../fields.ts";
import { openLeanCaller, type Address, type Caller } from "../http.ts";
import { serve } from "./serve.ts";

const report = { stdout: "hi\n", stderr: "", exitCode: 0, error: null, outcome: "done" };

serve({
  async house(params) {
    await answerHouse(
      { url: params.text("url"), token: params.text("token") },
      params.number("slots"),
    );
  },
  async relay(params) {
    const address = { url: params.text("url"), token: "" };
    const lanes = await Promise.all(
      Array.from({ length: params.number("slots") }, () => openLeanCaller(address)),
    );
    for (const lane of lanes) answerRelay(lane).catch(leave);
  },
});

/** Our protocol: introduce, poll with free slots, `started`, result. Connections are pooled by hand. */
async function answerHouse(address: Address, slots: number): Promise<void> {
  const instance = `answerer-${process.pid}`;
  const poller = await openLeanCaller(address);
  const idle = await Promise.all(Array.from({ length: slots }, () => openLeanCaller(address)));
  const worker = {
    name: instance,
    instance,
    labels: [],
    version: "bench",
    platform: "bench",
    slots,
    policyDigest: "",
  };
  await poller.call("POST", "/worker/beat", JSON.stringify({ worker, held: [] }));
  let free = slots;
  let order = 0;
  const answer = async (task: Fields): Promise<void> => {
    const caller = idle.pop();
    if (caller === undefined) throw new Error("handed more than it asked for");
    const held = { taskId: task.text("id"), fence: task.number("fence") };
    await caller.call("POST", "/worker/started", JSON.stringify({ ...held, instance }));
    free += 1;
    const told = { ...held, instance, capacity: free, order: (order += 1), ...report };
    // Told as free with the result: the server may hand out the next task in the same turn.
    await caller.call("POST", "/worker/result", JSON.stringify(told));
    idle.push(caller);
    for (const resume of waiting.splice(0)) resume();
  };
  const waiting: (() => void)[] = [];
  const taken = async (task: Fields): Promise<void> => {
    while (idle.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    await answer(task);
  };
  const poll = async (): Promise<void> => {
    for (;;) {
      const query = `wait=25000&capacity=${free}&order=${(order += 1)}`;
      const path = `/worker/poll?${query}&workerId=${instance}&instance=${instance}`;
      const tasks = fieldsOf(JSON.parse(await poller.call("GET", path))).list("tasks");
      free -= tasks.length;
      for (const task of tasks) taken(fieldsOf(task)).catch(leave);
    }
  };
  poll().catch(leave);
}

async function answerRelay(caller: Caller): Promise<void> {
  for (;;) {
    const text = await caller.call("GET", "/worker/poll");
    if (text === "null") continue;
    const taskId = fieldsOf(JSON.parse(text)).text("id");
    await caller.call("POST", "/worker/result", JSON.stringify({ taskId, ...report }));
  }
}

function leave(error: unknown): never {
  console.error(error);
  process.exit(1);
}
