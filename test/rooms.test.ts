// The two laws of the house (ARCHITECTURE.md): imports point one way, and a capability belongs to
// named files. A new row here is a commit with its reason.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

const house = path.resolve(import.meta.dirname, "..");
const scope = "@openclaw-worker/";

/** Package → the packages of this house that it may import. */
const packageArrows: Readonly<Record<string, readonly string[]>> = {
  base: [],
  protocol: ["base"],
  client: ["protocol", "base"],
  server: ["protocol", "base"],
  worker: ["protocol", "base"],
  mcp: ["client", "protocol", "base"],
  cli: ["client", "mcp", "server", "worker", "protocol", "base"],
};

/** Package → what it may import from outside the house, beside Node itself. */
const thirdParty: Readonly<Record<string, readonly string[]>> = {
  base: [],
  protocol: ["zod"],
  client: [],
  server: ["zod", "fastify", "@fastify/swagger", "fastify-type-provider-zod", "ioredis"],
  worker: ["zod", "@anthropic-ai/sandbox-runtime", "@openclaw/fs-safe", "unbash"],
  mcp: ["zod", "@modelcontextprotocol/server", "@modelcontextprotocol/node"],
  cli: ["commander"],
};

/** Room → the rooms of its package that it may import. A room is a folder of src, or a file in it. */
const roomArrows: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  server: {
    routes: ["parts", "answer", "config", "queue", "store"],
    queue: ["store", "audit"],
    store: ["audit"],
    audit: [],
    refusals: ["store"],
    guard: [],
    answer: [],
    body: [],
    config: [],
    listen: ["config"],
    state: ["config"],
    parts: ["queue", "store", "guard", "config"],
    app: ["parts", "routes", "answer", "body", "guard", "refusals"],
    main: ["app", "config", "guard", "listen", "queue", "state", "store"],
    // Copies one store into another while no server runs.
    migrate: ["config", "state", "store"],
  },
  worker: {
    // An agent's driver is handed its process and its gate: it knows neither cage nor loop.
    agent: ["policy"],
    policy: ["watching", "job", "errno", "trust", "glob"],
    glob: [],
    output: [],
    sandbox: ["job", "glob"],
    run: ["job", "sandbox", "output", "environment", "glob"],
    environment: ["sandbox"],
    journal: ["backlog"],
    backlog: [],
    link: ["answer", "weather"],
    answer: [],
    weather: ["answer"],
    verify: [],
    slots: [],
    state: ["errno", "trust"],
    trust: [],
    errno: [],
    config: [],
    job: [],
    place: ["job", "policy"],
    note: [],
    audit: [],
    durable: [],
    keys: ["durable", "errno", "trust"],
    watching: [],
    "key-watch": ["keys", "note", "watching"],
    identity: ["durable", "errno"],
    stop: ["durable", "keys", "note", "watching"],
    judged: ["approval", "budget", "job", "note", "place", "policy", "refusal"],
    consented: ["judged", "refusal", "slots"],
    overreach: ["approval", "note"],
    notify: ["sandbox"],
    begin: ["journal", "journal-watch", "link", "note", "presence", "slots"],
    ending: ["slots"],
    refusal: ["policy"],
    // `link` carries what it tells the server; nothing of the network decides here.
    approval: ["errno", "glob", "job", "keys", "link", "note", "policy", "slots", "stop"],
    authority: ["approval", "identity", "key-watch", "keys", "note", "stop"],
  },
};

/** Capability → the files that have it, and no others. */
const capabilities: readonly Capability[] = [
  {
    what: "starting programs",
    pattern: /"node:child_process"/,
    files: [
      "worker/src/sandbox/spawn.ts",
      // What runs outside of a cage: commands that host rules name, and the network's gateway. In a
      // file of its own, so that nothing which builds cages can start anything without one.
      "worker/src/sandbox/outside.ts",
      "cli/src/doctor/cage.ts",
      "cli/src/doctor/machine.ts",
      "cli/src/root/account.ts",
      "cli/src/root/act.ts",
      "cli/src/tools.ts",
      "cli/src/up/child.ts",
    ],
  },
  {
    what: "opening connections",
    pattern: /"node:(?:net|http|https|http2|tls|dgram)"|\bfetch\(/,
    files: [
      "worker/src/link.ts",
      // The self-test tries to reach a listener of its own from inside the cage, and must fail.
      "worker/src/sandbox/selftest.ts",
      // Wraps the descriptors of a task's output, which are FIFOs; it connects to nothing.
      "worker/src/sandbox/spawn.ts",
      // The local socket of the state folder, both ends: a person at this computer.
      "worker/src/approval/socket.ts",
      "client/src/send.ts",
      "server/src/listen.ts",
      "server/src/routes/notify.ts",
      "cli/src/up/port.ts",
      // Streamable HTTP for agents, at loopback and with the token.
      "mcp/src/http.ts",
    ],
    // Types of sockets and streams open nothing.
    ignore: /import type .*/g,
  },
  {
    what: "the disk, in worker and server",
    pattern: /"node:fs(?:\/promises)?"|"@openclaw\/fs-safe/,
    only: /^(?:worker|server|protocol|base|client)\//,
    files: [
      "worker/src/journal.ts",
      // Lists the sessions that the user's Claude Code has, by the ends of their files.
      "worker/src/agent/claude/sessions.ts",
      "worker/src/state.ts",
      // The audit log's three files, which only grow.
      "worker/src/audit/strip.ts",
      // Small files that are replaced whole: keys, the worker's own key, the stops in force.
      "worker/src/durable.ts",
      "worker/src/keys.ts",
      "worker/src/identity.ts",
      "worker/src/stop.ts",
      // Used nonces and grants; the hashes of what a person says yes to; the socket's folder.
      "worker/src/approval/store.ts",
      "worker/src/approval/files.ts",
      "worker/src/approval/socket.ts",
      "worker/src/policy/load.ts",
      "worker/src/policy/roots.ts",
      "worker/src/run/files.ts",
      "worker/src/sandbox/folders.ts",
      // The look for what rules and guards close, before each cage.
      "worker/src/sandbox/look.ts",
      // The private folders that gateways have their sockets in.
      "worker/src/sandbox/network/folder.ts",
      // Reads /proc: who descends from whom, and whom an earlier worker left.
      "worker/src/sandbox/processes.ts",
      "server/src/state.ts",
    ],
    ignore: /import type .*/g,
  },
  {
    what: "SQL",
    pattern: /"node:sqlite"/,
    files: [
      "worker/src/journal.ts",
      "worker/src/state.ts",
      "worker/src/approval/store.ts",
      /^server\/src\/store\/sqlite\//,
    ],
    ignore: /import type .*/g,
  },
  {
    what: "Redis",
    pattern: /"ioredis"/,
    files: ["server/src/store/redis/client.ts"],
  },
  {
    what: "the clock and timers",
    pattern: /\b(?:setTimeout|setInterval|Date\.now|performance\.now)\b/,
    files: ["base/src/clock.ts"],
  },
  {
    what: "the process and its environment",
    pattern: /(?<![\w.])process\.\w/,
    files: ["cli/src/main.ts"],
  },
  {
    what: "turning an error into HTTP",
    pattern: /\bproblemBody\(|\.code\([45]\d\d\)/,
    files: ["server/src/answer.ts", "protocol/src/problem.ts"],
  },
];

interface Capability {
  readonly what: string;
  readonly pattern: RegExp;
  readonly files: readonly (string | RegExp)[];
  /** Only files below this are judged. */
  readonly only?: RegExp;
  readonly ignore?: RegExp;
}

interface Source {
  /** "server/src/queue/queue.ts" */
  readonly name: string;
  readonly house: string;
  readonly room: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const sources = readSources();

test("packages import one way only, and nothing from outside that is not argued for", () => {
  const wrong: string[] = [];
  for (const source of sources) {
    for (const target of source.imports) {
      if (target.startsWith(".") || target.startsWith("node:")) continue;
      const own = target.startsWith(scope) ? target.slice(scope.length) : null;
      const allowed =
        own === null
          ? thirdParty[source.house]?.some(
              (name) => target === name || target.startsWith(`${name}/`),
            )
          : packageArrows[source.house]?.includes(own);
      if (!(allowed ?? false)) wrong.push(`${source.name} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("rooms import one way only", () => {
  const wrong: string[] = [];
  for (const source of sources) {
    const arrows = roomArrows[source.house]?.[source.room];
    if (arrows === undefined) continue;
    for (const target of relativeImports(source)) {
      const room = roomOf(target);
      if (room !== source.room && !arrows.includes(room))
        wrong.push(`${source.name} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("no import cycle, type imports counted", () => {
  const graph = new Map(sources.map((source) => [source.name, relativeImports(source)]));
  const done = new Set<string>();
  const findCycle = (name: string, trail: readonly string[]): readonly string[] | null => {
    if (trail.includes(name)) return [...trail.slice(trail.indexOf(name)), name];
    if (done.has(name)) return null;
    for (const next of graph.get(name) ?? []) {
      const cycle = findCycle(next, [...trail, name]);
      if (cycle !== null) return cycle;
    }
    done.add(name);
    return null;
  };
  for (const name of graph.keys()) assert.equal(findCycle(name, []), null);
});

for (const capability of capabilities) {
  test(`only the named files have: ${capability.what}`, () => {
    const has = sources
      .filter((source) => capability.only?.test(source.name) ?? true)
      .filter((source) => capability.pattern.test(withoutComments(source.text, capability.ignore)))
      .map((source) => source.name);
    const isNamed = (name: string): boolean =>
      capability.files.some((file) => (typeof file === "string" ? file === name : file.test(name)));
    assert.deepEqual(
      has.filter((name) => !isNamed(name)),
      [],
    );
    const unused = capability.files.filter(
      (file) => typeof file === "string" && !has.includes(file),
    );
    assert.deepEqual(unused, [], "a row that nobody needs any more is taken out");
  });
}

test("a package's door names what goes through it, one by one", () => {
  for (const source of sources) {
    assert.doesNotMatch(source.text, /^export \*/m, source.name);
    assert.doesNotMatch(source.text, /^export default/m, source.name);
  }
});

function readSources(): readonly Source[] {
  return Object.keys(packageArrows).flatMap((name) => {
    const folder = path.join(house, "packages", name, "src");
    return fs
      .readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => {
        const text = fs.readFileSync(path.join(folder, file), "utf8");
        const imports = [
          ...text.matchAll(
            /^(?:import\b[^"';]*?|export\b[^"';=]*?\bfrom )"([^"]+)";|\bimport\("([^"]+)"\)/gm,
          ),
        ].map((match) => match[1] ?? match[2] ?? "");
        const source = `${name}/src/${file}`;
        return { name: source, house: name, room: roomOf(source), text, imports };
      });
  });
}

function relativeImports(source: Source): readonly string[] {
  return source.imports
    .filter((target) => target.startsWith("."))
    .map((target) => path.posix.join(path.posix.dirname(source.name), target));
}

function roomOf(name: string): string {
  return (name.split("/")[2] ?? "").replace(/\.ts$/, "");
}

function withoutComments(text: string, ignore?: RegExp): string {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
  return ignore === undefined ? code : code.replaceAll(ignore, "");
}
