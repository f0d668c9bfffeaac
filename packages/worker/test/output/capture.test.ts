import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { ByteQueue } from "../../src/output/bytes.ts";
import { Capture } from "../../src/output/capture.ts";
import { createRedactor } from "../../src/output/redact.ts";

test("output that fits is kept as it is, and nothing is called truncated", () => {
  const capture = new Capture({ keptBytes: 100, killBytes: 1_000 });
  capture.push("stdout", Buffer.from("hello "));
  capture.push("stderr", Buffer.from("oops"));
  capture.push("stdout", Buffer.from("wörld\n"));
  const { stdout, stderr, truncated } = capture.finish(false);
  assert.equal(stdout.text, "hello wörld\n");
  assert.equal(stderr.text, "oops");
  assert.equal(truncated, undefined);
});

test("output that is too long keeps its head and tail, true counts, and a line that says how much is missing", () => {
  const capture = new Capture({ keptBytes: 40, killBytes: 10_000 });
  const whole = Array.from({ length: 200 }, (_, at) => String(at % 10)).join("");
  for (const character of whole) capture.push("stdout", Buffer.from(character));
  const { stdout, truncated } = capture.finish(false);
  assert.equal(stdout.text, `0123456789\n[... 160 bytes left out ...]\n${whole.slice(-30)}`);
  assert.deepEqual(truncated, {
    stdoutBytes: 200,
    stderrBytes: 0,
    stdoutLeftOut: 160,
    stderrLeftOut: 0,
  });
});

test("a chatty stdout does not push the whole of stderr out", () => {
  const capture = new Capture({ keptBytes: 40, killBytes: 1_000_000 });
  capture.push("stderr", Buffer.from("first reason"));
  for (let at = 0; at < 1_000; at += 1) capture.push("stdout", Buffer.from("noise"));
  capture.push("stderr", Buffer.from(" and the last"));
  const { stderr, truncated } = capture.finish(false);
  assert.match(stderr.text, /^first reas/);
  assert.match(stderr.text, /last$/);
  assert.equal(truncated?.stdoutBytes, 5_000);
});

test("a flood is told from the first byte too many", () => {
  const capture = new Capture({ keptBytes: 8, killBytes: 10 });
  assert.equal(capture.push("stdout", Buffer.alloc(6)), true);
  assert.equal(capture.push("stderr", Buffer.alloc(4)), true);
  assert.equal(capture.push("stdout", Buffer.alloc(1)), false);
});

test("a character that the cut splits is left out whole and counted", () => {
  const capture = new Capture({ keptBytes: 40, killBytes: 10_000 });
  capture.push("stdout", Buffer.from("€".repeat(100)));
  const { stdout, truncated } = capture.finish(false);
  assert.match(stdout.text, /^€{3}\n\[\.\.\. \d+ bytes left out \.\.\.\]\n€{10}$/);
  assert.equal(truncated?.stdoutLeftOut, 300 - 13 * 3);
});

test("bytes that are not UTF-8 come back exactly, as base64", () => {
  const bytes = Buffer.from([0xff, 0x00, 0xfe, 0x0a]);
  const capture = new Capture({ keptBytes: 100, killBytes: 1_000 });
  capture.push("stdout", bytes);
  const { stdout, stderr } = capture.finish(false);
  assert.equal(stdout.encoding, "base64");
  assert.deepEqual(Buffer.from(stdout.text, "base64"), bytes);
  assert.equal(stderr.encoding, "utf8");
});

test("half a character at the end is binary when the program ended so, and cut when it was killed", () => {
  const half = Buffer.from("a€").subarray(0, 3);
  const ended = new Capture({ keptBytes: 100, killBytes: 1_000 });
  ended.push("stdout", half);
  assert.equal(ended.finish(false).stdout.encoding, "base64");
  const killed = new Capture({ keptBytes: 100, killBytes: 1_000 });
  killed.push("stdout", half);
  const { stdout, truncated } = killed.finish(true);
  assert.deepEqual([stdout.text, stdout.encoding, truncated?.stdoutLeftOut], ["a", "utf8", 2]);
});

test("whatever is printed in whatever pieces: head and tail are its own, and the counts add up", () => {
  const pieces = fc.array(
    fc.tuple(fc.constantFrom("stdout", "stderr"), fc.uint8Array({ maxLength: 50 })),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(pieces, fc.integer({ min: 0, max: 200 }), (printed, keptBytes) => {
      const capture = new Capture({ keptBytes, killBytes: 1_000_000 });
      for (const [name, bytes] of printed)
        capture.push(
          name === "stdout" ? "stdout" : "stderr",
          bytes.map((byte) => byte & 0x7f),
        );
      const { stdout, stderr, truncated } = capture.finish(false);
      for (const [name, stream] of [
        ["stdout", stdout],
        ["stderr", stderr],
      ] as const) {
        const whole = Buffer.concat(
          printed
            .filter(([of]) => of === name)
            .map(([, bytes]) => bytes.map((byte) => byte & 0x7f)),
        ).toString("latin1");
        if (stream.leftOutBytes === 0) assert.equal(stream.text, whole);
        const [head = "", tail = ""] = stream.text.split(
          `\n[... ${stream.leftOutBytes} bytes left out ...]\n`,
        );
        assert.ok(whole.startsWith(head) && whole.endsWith(tail));
        if (stream.leftOutBytes > 0)
          assert.equal(head.length + tail.length + stream.leftOutBytes, whole.length);
        if (truncated !== undefined) assert.equal(truncated[`${name}Bytes`], whole.length);
      }
    }),
  );
});

test("a flood of controls is base64, because JSON would be six times as long; a short one is text", () => {
  const finish = (bytes: Buffer) => {
    const capture = new Capture({ keptBytes: 1_000_000, killBytes: 1e9 });
    for (let at = 0; at < bytes.length; at += 10_000)
      capture.push("stdout", bytes.subarray(at, at + 10_000));
    return capture.finish(false).stdout;
  };
  const nuls = Buffer.alloc(200_000);
  assert.equal(finish(nuls).encoding, "base64");
  assert.deepEqual(Buffer.from(finish(nuls).text, "base64"), nuls);
  assert.deepEqual(finish(nuls.subarray(0, 100)), {
    text: "\0".repeat(100),
    encoding: "utf8",
    leftOutBytes: 0,
  });
  // The head is text and the tail is not.
  const mixed = Buffer.concat([Buffer.alloc(300_000, "a"), Buffer.alloc(900_000)]);
  assert.equal(finish(mixed).encoding, "base64");
  const colored = Buffer.from('\u001b[31mred\u001b[0m and "plain"\n'.repeat(10_000));
  for (const text of [Buffer.alloc(200_000, "\n"), Buffer.alloc(200_000, "y\n"), colored])
    assert.equal(finish(text).text, text.toString());
});

test("a queue of bytes gives back what was put in, less what was dropped", () => {
  const steps = fc.array(
    fc.oneof(fc.uint8Array({ maxLength: 9_000 }), fc.integer({ min: 0, max: 9_000 })),
  );
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new ByteQueue();
      let model = Buffer.alloc(0);
      for (const step of all) {
        if (typeof step === "number") {
          queue.dropFront(step);
          model = model.subarray(step);
        } else {
          queue.push(step);
          model = Buffer.concat([model, step]);
        }
      }
      assert.deepEqual(queue.toBuffer(), Buffer.from(model));
      assert.equal(queue.length, model.length);
    }),
    { numRuns: 50 },
  );
});

const redactor = createRedactor([{ name: "worker token", value: "hunter2-hunter2-hunter2" }]);

test("a secret is out before the cut between head and tail could hide half of it", () => {
  for (let before = 0; before < 60; before += 1) {
    const capture = new Capture({ keptBytes: 60, killBytes: 10_000 }, redactor);
    const text = `${"a".repeat(before)}hunter2-hunter2-hunter2${"b".repeat(100)}`;
    for (const character of text) capture.push("stdout", Buffer.from(character));
    const { stdout, truncated } = capture.finish(false);
    assert.doesNotMatch(stdout.text, /hunter2/, `after ${before} bytes`);
    assert.equal(truncated?.stdoutBytes, text.length, "what the program printed is counted");
    const shown = text.length - 23 + "[redacted: worker token]".length;
    assert.equal(stdout.leftOutBytes, shown - 60);
  }
});

test("a secret that two streams share is no secret, and one that ends a killed task is", () => {
  const capture = new Capture({ keptBytes: 1_000, killBytes: 10_000 }, redactor);
  capture.push("stdout", Buffer.from("hunter2-hunter2"));
  capture.push("stderr", Buffer.from("-hunter2 said nothing"));
  const { stdout, stderr, truncated } = capture.finish(true);
  assert.deepEqual([stdout.text, stderr.text], ["[redacted]", "-hunter2 said nothing"]);
  assert.equal(truncated, undefined);
});

test("what is kept is a copy: the reader may use its memory again", () => {
  const capture = new Capture({ keptBytes: 100, killBytes: 1_000 }, redactor);
  const memory = Buffer.alloc(8);
  for (const text of ["one ", "hunter2-", "hunter2-", "hunter2", " two"]) {
    const length = memory.write(text);
    capture.push("stdout", memory.subarray(0, length));
    memory.fill(0);
  }
  assert.equal(capture.finish(false).stdout.text, "one [redacted: worker token] two");
});

test("a secret in binary output is out of it, and the rest comes back exactly", () => {
  const capture = new Capture({ keptBytes: 1_000, killBytes: 10_000 }, redactor);
  const noise = Buffer.from([0xff, 0x00, 0xfe]);
  capture.push("stdout", Buffer.concat([noise, Buffer.from("hunter2-hunter2-hunter2"), noise]));
  const { stdout } = capture.finish(false);
  assert.equal(stdout.encoding, "base64");
  const bytes = Buffer.from(stdout.text, "base64");
  assert.deepEqual(bytes, Buffer.concat([noise, Buffer.from("[redacted: worker token]"), noise]));
});
