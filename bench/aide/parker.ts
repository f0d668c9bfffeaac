// Many workers that wait for work: one connection each, one poll at a time, as our worker holds it.

import { limits } from "@openclaw-worker/protocol";
import { fieldsOf, type Fields } from "../fields.ts";
import { openLeanCaller, type Address, type Caller } from "../http.ts";
import { nowUs } from "../measure.ts";
import { serve } from "./serve.ts";

const report = { stdout: "", stderr: "", exitCode: 0, error: null, outcome: "done" };
const openedAtOnce = 100;
const arrivals = new Map<string, (atUs: number) => void>();

serve({
  /** Connects workers `first` to `first + count - 1`; resolves when each has sent its first poll. */
  async park(params) {
    const [first, count] = [params.number("first"), params.number("count")];
    const address = { url: params.text("url"), token: params.text("token") };
    const isHouse = params.text("kind") === "house";
    let next = first;
    const lane = async (): Promise<void> => {
      while (next < first + count) {
        const name = `idle-${next}`;
        next += 1;
        await park(name, address, isHouse);
      }
    };
    await Promise.all(Array.from({ length: openedAtOnce }, lane));
  },
  /** When (µs of this machine's steady clock) the next task reached the worker of this name. */
  arrival: (params) => new Promise((resolve) => arrivals.set(params.text("name"), resolve)),
});

async function park(name: string, address: Address, isHouse: boolean): Promise<void> {
  const caller = await openLeanCaller(address);
  const instance = `instance-${name}`;
  if (isHouse) {
    const worker = {
      name,
      instance,
      labels: [],
      version: "bench",
      platform: "bench",
      slots: 1,
      policyDigest: "",
    };
    await caller.call("POST", "/worker/beat", JSON.stringify({ worker, held: [] }));
  }
  const query = `wait=${limits.workerPollMs}&capacity=1&workerId=${name}&instance=${instance}`;
  keepPolling(caller, { name, query, isHouse }).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}

interface Waiter {
  readonly name: string;
  readonly query: string;
  readonly isHouse: boolean;
}

async function keepPolling(caller: Caller, { name, query, isHouse }: Waiter): Promise<void> {
  for (let order = 1; ; order += 1) {
    const text = await caller.call("GET", `/worker/poll?${query}&order=${order}`);
    const at = nowUs();
    const task = fieldsOf(JSON.parse(text)).list("tasks")[0];
    if (task === undefined) continue;
    arrivals.get(name)?.(at);
    arrivals.delete(name);
    if (isHouse) await settle(caller, fieldsOf(task));
  }
}

async function settle(caller: Caller, task: Fields): Promise<void> {
  const held = { taskId: task.text("id"), fence: task.number("fence") };
  await caller.call("POST", "/worker/started", JSON.stringify(held));
  await caller.call("POST", "/worker/result", JSON.stringify({ ...held, ...report }));
}
