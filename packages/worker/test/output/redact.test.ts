import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import { createRedactor, type Redactor } from "../../src/output/redact.ts";
import { secretsOf } from "../../src/output/secret.ts";

const token = 'ocw_k3yid_9f/8+a~b c"d\\e$é_zzQ';
const redactor = createRedactor([
  { name: "worker token", value: token },
  { name: "DB_PASSWORD", value: "correct horse battery" },
]);
const told = "[redacted: worker token]";

function inPieces(by: Redactor, bytes: Uint8Array, sizes: readonly number[]): Buffer {
  const stream = by.stream();
  const out: Uint8Array[] = [];
  for (let from = 0, at = 0; from < bytes.length; at += 1) {
    const size = Math.max(1, sizes[at % sizes.length] ?? 1);
    // A copy: what is given away must not change when the reader uses its memory again.
    const piece = Uint8Array.from(bytes.subarray(from, from + size));
    out.push(Uint8Array.from(stream.push(piece)));
    piece.fill(0);
    from += size;
  }
  return Buffer.concat([...out, stream.end()]);
}

test("a known secret does not pass in any shape that common programs give it", () => {
  const bytes = Buffer.from(token);
  const shapes: Record<string, string> = {
    plain: token,
    hex: bytes.toString("hex"),
    "upper hex": bytes.toString("hex").toUpperCase(),
    url: encodeURIComponent(token),
    "strict url": encodeURIComponent(token).replaceAll("~", "%7E"),
    form: new URLSearchParams({ t: token }).toString().slice(2),
    json: JSON.stringify(token).slice(1, -1),
    "php's json": JSON.stringify(token).slice(1, -1).replaceAll("/", "\\/"),
  };
  for (const [what, shape] of Object.entries(shapes)) {
    assert.equal(redactor.text(`before ${shape} after`), `before ${told} after`, what);
  }
  for (const encoding of ["base64", "base64url"] as const) {
    for (const before of ["", "x", "xy", "xyz"]) {
      for (const after of ["", "z", "zz"]) {
        const text = Buffer.from(before + token + after).toString(encoding);
        for (const shown of [text, text.replaceAll("=", "")]) {
          const left = redactor.text(`<${shown}>`);
          assert.match(left, /^<.{0,4}\[redacted: worker token\].{0,6}>$/, `${before}…${after}`);
        }
      }
    }
  }
});

test("base64 and hex that are broken into lines are seen", () => {
  const around = { input: `a few words before it: ${token}, and after` };
  for (const [program, ...words] of [["base64"], ["base64", "-w", "20"], ["xxd", "-p"]] as const) {
    let printed: string;
    try {
      printed = execFileSync(program, words, { ...around, encoding: "utf8" });
    } catch (error) {
      // xxd is not everywhere; od is, and prints the same with blanks taken out.
      assert.equal(program, "xxd", String(error));
      printed = Buffer.from(around.input)
        .toString("hex")
        .replaceAll(/(.{60})/g, "$1\r\n");
    }
    assert.ok(printed.trim().includes("\n"));
    const left = redactor.text(printed);
    assert.match(left, /\[redacted: worker token\]/);
    const decoded = Buffer.from(left.replaceAll(/\s/g, ""), program === "xxd" ? "hex" : "base64");
    assert.ok(!decoded.includes(token.slice(4, 12)));
  }
});

test("secrets that only look like it are taken out, and what merely resembles them is not", () => {
  const secrets: Record<string, string> = {
    AKIAIOSFODNN7EXAMPLE: "[redacted]",
    [`ghp_${"a1B2".repeat(9)}`]: "[redacted]",
    [`github_pat_11ABCDEFG0${"x_Y1".repeat(12)}`]: "[redacted]",
    "xoxb-2345678901-abcdefGHIJ": "[redacted]",
    [`sk-ant-api03-${"aB3_".repeat(10)}`]: "[redacted]",
    [`sk-${"T3BlbkFJ".repeat(5)}`]: "[redacted]",
    [`AIzaSy${"A-b_9".repeat(7)}`]: "[redacted]",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl": "[redacted]",
    ocw_0123abcd_AbCdEfGhIjKlMnOpQr: "[redacted]",
    "Authorization: Bearer abc123def456ghi789": "Authorization: Bearer [redacted]",
    "postgres://ann:s3cr%40et@db.example.com/x": "postgres://ann:[redacted]@db.example.com/x",
    "redis://:pass@word@host:6379": "redis://:[redacted]@host:6379",
  };
  for (const [secret, left] of Object.entries(secrets)) {
    for (const [before, after] of [
      ["", ""],
      ["x = '", "'\n"],
      ["(", ") and more"],
    ] as const) {
      assert.equal(redactor.text(before + secret + after), before + left + after);
    }
  }
  const harmless = [
    "pip install sk-learn-contrib-and-other-things",
    "task-1234567890123456789012345",
    "Bearer of this very-long-word-without-numbers",
    "http://localhost:3000/a@b",
    "https://example.com:8080/x?mail=a:b@c",
    "git@github.com:openclaw/worker.git",
    "AKIAIOSFODNN7",
    "eyJub3QgYSB0b2tlbiI6dHJ1ZX0",
    "-----BEGIN PRIVATE KEY----- is how such a file begins, and this is no such file.",
    'const begin = "-----BEGIN RSA PRIVATE KEY-----";\nconst end = "-----END RSA PRIVATE KEY-----";',
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
  ];
  for (const text of harmless) assert.equal(redactor.text(`${text}\n`), `${text}\n`);
});

test("a private key is taken out whole, however it is printed", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  for (const type of ["pkcs1", "pkcs8"] as const) {
    const pem = String(privateKey.export({ type, format: "pem" }));
    assert.equal(redactor.text(`a\n${pem}b\n`), "a\n[redacted]\nb\n");
    assert.equal(redactor.text(JSON.stringify({ pem })), '{"pem":"[redacted]\\n"}');
    const cited = pem.trimEnd().replaceAll(/^/gm, "> ");
    assert.equal(redactor.text(`${cited}\nend`), "> [redacted]\nend");
    const numbered = pem.split("\n").map((line, at) => `${at + 1}:${line}`);
    assert.doesNotMatch(redactor.text(numbered.join("\n")), /[A-Za-z0-9+/]{30}/);
    // The end is missing: what is there is not shown either.
    assert.equal(redactor.text(pem.slice(0, 400)), "[redacted]");
  }
});

test("overlapping secrets are one gap, and a known one gives it its name", () => {
  const plain = createRedactor([{ name: "worker token", value: "ocw_abcd_ABCDEFGHIJKLMNOP" }]);
  const shown = plain.text(
    "Bearer ocw_abcd_ABCDEFGHIJKLMNOP and http://u:ocw_abcd_ABCDEFGHIJKLMNOP@h",
  );
  assert.equal(shown, `Bearer ${told} and http://u:${told}@h`);
  const same = createRedactor([{ name: "a", value: "aaaaaaaa" }]);
  assert.equal(same.text(`<${"a".repeat(100)}>`), "<[redacted: a]>");
  assert.equal(same.text("aaaaaaa"), "aaaaaaa");
});

test("short values are not used, and names of variables are shown, not trusted", () => {
  const by = createRedactor([
    { name: "PIN", value: "1234567" },
    { name: 'N"\n]', value: "12345678" },
  ]);
  assert.equal(by.text("1234567 12345678"), "1234567 [redacted: N___]");
});

test("the beginning of a secret at the very end is a secret", () => {
  assert.equal(redactor.text(`x ${token.slice(0, 12)}`), "x [redacted]");
  assert.equal(redactor.text(`x ghp_${"a1".repeat(6)}`), "x [redacted]");
  assert.equal(redactor.text("see ocw_k3"), "see ocw_k3");
});

test("bytes that are no text come through exactly, but for the secret in them", () => {
  const noise = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  const bytes = Buffer.concat([noise, Buffer.from(token), noise]);
  const left = Buffer.from(redactor.bytes(bytes));
  assert.deepEqual(left, Buffer.concat([noise, Buffer.from(told), noise]));
  assert.equal(redactor.bytes(noise), noise);
});

test("only known secrets are asked for in a file, and found in every shape", () => {
  assert.equal(redactor.secretIn(Buffer.from("AKIAIOSFODNN7EXAMPLE")), null);
  assert.equal(redactor.secretIn(Buffer.from(`x${token}`)), "worker token");
  assert.equal(redactor.secretIn(Buffer.from("correct horse battery")), "DB_PASSWORD");
  assert.equal(redactor.secretIn(Buffer.from(Buffer.from(token).toString("hex"))), "worker token");
  assert.equal(redactor.known.text("AKIAIOSFODNN7EXAMPLE"), "AKIAIOSFODNN7EXAMPLE");
  assert.equal(redactor.known.text(token), told);
});

test("however a stream is cut into pieces, the same is left of it, and no secret", () => {
  const part = fc.oneof(
    fc.constantFrom(
      token,
      Buffer.from(`ab${token}c`).toString("base64"),
      Buffer.from(token)
        .toString("base64")
        .replaceAll(/(.{7})/g, "$1\n"),
      encodeURIComponent(token),
      " AKIAIOSFODNN7EXAMPLE ",
      `ghp_${"a1B2".repeat(9)}`,
      "postgres://ann:secret-word@host",
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
      `-----BEGIN EC PRIVATE KEY-----\n${"MHcCAQEE".repeat(8)}\n-----END EC PRIVATE KEY-----`,
    ),
    fc.constantFrom("sk-", "eyJ", "://", "Bearer ", "-----BEGIN ", "ocw_k3y", "AKIA", "\n", ":@ "),
    fc.string({ maxLength: 12 }),
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), sizes, (parts, pieces) => {
      const bytes = Buffer.from(parts.join(""));
      const left = inPieces(redactor, bytes, pieces).toString("latin1");
      assert.equal(left, inPieces(redactor, bytes, [1e9]).toString("latin1"));
      assert.ok(!left.includes(Buffer.from(token).toString("latin1")));
      assert.ok(!left.includes("AKIAIOSFODNN7EXAMPLE"));
    }),
    { numRuns: 400 },
  );
});

test("what is held back is never more than a secret may need", () => {
  for (const endless of ["a", "eyJ", "sk-x", "://u:p@", "-----BEGIN PRIVATE KEY-----\n", "ocw_k"]) {
    const stream = redactor.stream();
    const block = Buffer.from(endless.repeat(5_000)).subarray(0, 5_000);
    for (let round = 0; round < 20; round += 1) stream.push(block);
    const rest = stream.end().length;
    assert.ok(rest < 10_000, `${endless}: ${rest} bytes were held back`);
  }
});

test("eight times the bytes take about eight times the time, whatever they are", () => {
  const hard: readonly string[] = [
    "plain text, and more of it\n",
    "sk-",
    "eyJ",
    "://a:",
    "://a:b@",
    "sk- eyJ://ghp_ AKIA xoxb- Bearer ",
    "-----BEGIN PRIVATE KEY-----",
    `${token.slice(0, -1)}-`,
    `${token} `,
    `${Buffer.from(token).toString("base64").slice(0, 30)}\n`,
    "a".repeat(64),
  ];
  const by = createRedactor([
    { name: "worker token", value: token },
    { name: "a", value: "a".repeat(300) },
  ]);
  for (const text of hard) {
    const block = Buffer.from(text.repeat(Math.ceil(65_536 / Buffer.byteLength(text))));
    const long = Buffer.concat(Array.from({ length: 8 }, () => block));
    const took = (pieces: readonly Buffer[]): number => {
      const from = process.cpuUsage();
      const stream = by.stream();
      for (const piece of pieces) stream.push(piece);
      stream.end();
      // Only their sum is exact: the system guesses which part is whose.
      const { user, system } = process.cpuUsage(from);
      return Math.max(1, user + system);
    };
    const few = Array.from({ length: 8 }, () => block);
    const many = Array.from({ length: 64 }, () => block);
    took(many);
    // The best of a few: what else the machine does is not what is measured.
    const best = (pieces: readonly Buffer[]): number =>
      Math.min(...[1, 2, 3].map(() => took(pieces)));
    // 8 is linear, 64 would be quadratic.
    const ratio = best(many) / best(few);
    assert.ok(ratio < 30, `8 times the bytes took ${ratio.toFixed(1)} times: ${text.slice(0, 20)}`);
    const inOne = best([long]) / best(few);
    assert.ok(inOne < 6, `one long piece took ${inOne.toFixed(1)} times: ${text.slice(0, 20)}`);
  }
});

test("secrets are the token, and what the environment's names call secret", () => {
  const env = {
    WORKER_TOKEN: "the-token-itself",
    GITHUB_TOKEN: "gh-value-1",
    MY_API_KEY: "key-value-1",
    DbPassword: "pw-value-1",
    AWS_SECRET_ACCESS_KEY: "/abc+def=",
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
    WORKER_TOKEN_FILE: "/run/secrets/token",
    GOOGLE_APPLICATION_CREDENTIALS: "/home/ann/key.json",
    SSH_AUTH_SOCK: "/tmp/agent",
    NPM_TOKEN: undefined,
    PATH: "/usr/bin",
    HOME: "/home/ann",
  };
  const found = secretsOf(env, "the-token-itself").map(({ name, value }) => [name, value]);
  assert.deepEqual(found, [
    ["worker token", "the-token-itself"],
    ["GITHUB_TOKEN", "gh-value-1"],
    ["MY_API_KEY", "key-value-1"],
    ["DbPassword", "pw-value-1"],
    ["AWS_SECRET_ACCESS_KEY", "/abc+def="],
  ]);
});

test("however many secrets there are, the first are found in every shape, at a bounded cost", () => {
  const many = Array.from({ length: 2_000 }, (_, at) => ({
    name: `S${at}`,
    value: `${at}-${"v".repeat(3_000)}-${at}`,
  }));
  const by = createRedactor([{ name: "worker token", value: token }, ...many]);
  assert.equal(by.text(Buffer.from(token).toString("hex")), told);
  assert.equal(by.text(many[3]?.value ?? ""), "[redacted: S3]");
});

test("a secret in a long text is found wherever it stands, and a text without one is not changed", () => {
  const piece = 65_536;
  for (const at of [0, piece - token.length, piece - 5, piece, 2 * piece - 1]) {
    const before = "é".repeat(at);
    const after = "\u{1f600}".repeat(piece);
    assert.equal(redactor.text(`${before}${token}${after}`), `${before}${told}${after}`);
    const plain = `${before}\u{1f600}${after}\ud800`;
    assert.equal(redactor.text(plain), plain);
  }
});
