#!/usr/bin/env node
// The command's first file: plain CommonJS, so that any Node from the last years can read it.
//
// Node too old: start the Node that was installed beside us, and stand aside. New enough: run the
// sources when this is a checkout (no build needed), the built files otherwise.
"use strict";

const fs = require("fs");
const path = require("path");

const oldest = [24, 16, 0];

if (newEnough(process.versions.node)) start();
else handOver();

function start() {
  rememberCompiled();
  const main = path.join(__dirname, "..", "src", "main.ts");
  // Node strips types everywhere but below node_modules: there the built files are used.
  const checkout = fs.existsSync(main) && !__dirname.split(path.sep).includes("node_modules");
  if (checkout) {
    require("module").registerHooks({
      resolve: (specifier, context, next) =>
        next(specifier, { ...context, conditions: [...(context.conditions ?? []), "source"] }),
    });
  }
  const file = checkout ? main : path.join(__dirname, "..", "dist", "main.js");
  import(require("url").pathToFileURL(file).href).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}

// Short commands start in half the time when the compiled code is kept. It is kept in the state
// folder and nowhere else: what lies there becomes code outside the cage, and no policy may open
// that folder to tasks. The long-lived programs do without.
function rememberCompiled() {
  if (["up", "server", "worker", "self-test"].includes(process.argv[2])) return;
  const usual =
    process.geteuid?.() === 0
      ? "/var/lib/openclaw-worker"
      : path.join(require("os").homedir(), ".openclaw-worker");
  const home = process.env.OPENCLAW_WORKER_HOME || usual;
  const folder = path.join(home, "cache");
  try {
    // Only where `up` has been, and only in folders that are this user's alone.
    const own = (file) => {
      const { uid, mode } = fs.lstatSync(file);
      return uid === process.geteuid() && (mode & 0o022) === 0;
    };
    if (!own(home) || !own(path.join(home, "client.json"))) return;
    if (!fs.existsSync(folder)) fs.mkdirSync(folder, { mode: 0o700 });
    if (own(folder)) require("module").enableCompileCache(folder);
  } catch {
    // Without it everything works, only slower.
  }
}

function handOver() {
  const sibling = findSibling(__dirname);
  if (sibling === null) {
    console.error(
      `openclaw-worker needs Node ${oldest.join(".")} or newer; this is ${process.versions.node}.\n` +
        "  why: no newer Node was installed beside it for this system " +
        `(${process.platform}-${process.arch})\n` +
        "  do:  run `npm ci` again (it brings one for Linux, Windows and Intel Macs),\n" +
        "       or install Node 24 (Homebrew: `brew install node@24`)",
    );
    process.exitCode = 1;
    return;
  }
  const program = [sibling, __filename, ...process.argv.slice(2)];
  // Were this process killed with SIGKILL, the kernel ends the child: nothing is orphaned.
  const setpriv = "/usr/bin/setpriv";
  const tied = process.platform === "linux" && fs.existsSync(setpriv);
  const argv = tied ? [setpriv, "--pdeathsig", "TERM", "--", ...program] : program;
  const env = tied ? { ...process.env, OPENCLAW_PDEATHSIG: "TERM" } : process.env;
  const child = require("child_process").spawn(argv[0], argv.slice(1), { stdio: "inherit", env });
  const signals = ["SIGINT", "SIGTERM"];
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  child.on("error", (error) => {
    console.error(`Cannot start ${argv[0]}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    for (const name of signals) process.removeListener(name, forward);
    if (signal === null) process.exitCode = code;
    else process.kill(process.pid, signal);
  });
}

function newEnough(version) {
  const parts = version.split(".").map(Number);
  for (let i = 0; i < oldest.length; i += 1) {
    if (parts[i] !== oldest[i]) return parts[i] > oldest[i];
  }
  return true;
}

function findSibling(from) {
  const file = process.platform === "win32" ? "node.exe" : "node";
  const system = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  for (let folder = from; ; folder = path.dirname(folder)) {
    for (const name of [`node-${system}`, `node-bin-${system}`]) {
      const candidate = path.join(folder, "node_modules", name, "bin", file);
      if (fs.existsSync(candidate)) return candidate;
    }
    if (folder === path.dirname(folder)) return null;
  }
}
