// Answers that take their time for ever. They cost the worker one request's time limit, not more.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { suite, test } from "node:test";
import { openDen } from "./den.ts";
import type { Lie } from "./plane.ts";

const drip =
  (head: string, drop: string): Lie =>
  ({ socket }) => {
    socket.write(head);
    const timer = setInterval(() => socket.write(drop), 50);
    socket.once("close", () => clearInterval(timer));
  };

const slow: Readonly<Record<string, Lie>> = {
  "not at all": () => {},
  "with a blank now and then": drip(
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "1\r\n \r\n",
  ),
  "with a header now and then": drip("HTTP/1.1 200 OK\r\n", "x: y\r\n"),
};

suite("answers that take their time", { concurrency: true }, () => {
  for (const [name, lie] of Object.entries(slow)) {
    test(`a poll that is answered ${name} is given up, and the next one works`, async () => {
      await using den = await openDen({ slots: 1, env: { LONG_POLL_WAIT: "1000" } });
      await den.worksOn();
      await den.plane.lieOnce("/worker/poll", lie);
      await den.worksOn();
    });
  }

  test("a start whose answer never comes holds one slot for one lease, and is not run", async () => {
    await using den = await openDen({ slots: 2, env: { LONG_POLL_WAIT: "1000" } });
    const lied = den.plane.lieOnce("/worker/started", () => {});
    den.plane.lieAlways("/worker/started", ({ response }, { text }) => {
      if (text.includes(silent)) return;
      response.end(JSON.stringify({}));
    });
    const silent = den.plane.submit({ kind: "command", command: "touch ran" });
    await lied;
    await den.worksOn();
    // The worker says that it has room again: the slot is free.
    await den.plane.until("both slots", () => (den.plane.capacity === 2 ? true : undefined));
    assert.deepEqual(readdirSync(den.root), []);
    await den.worksOn();
  });
});
