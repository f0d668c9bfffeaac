// Runs after `npm install` and `npm ci`. An npm that itself runs on an older Node leaves out optional
// packages whose `engines` exclude that Node: among them the native part of @openclaw/fs-safe, which
// the worker insists on. This script already runs on the Node that node_modules/.bin holds, so a
// second, quick `npm install` under that Node brings what is missing. The lock is not changed.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const has = (name) => fs.existsSync(path.join(root, "node_modules", ...name.split("/")));

const manifest = path.join(root, "node_modules/@openclaw/fs-safe/package.json");
if (!fs.existsSync(manifest)) process.exit(0);
const names = Object.keys(JSON.parse(fs.readFileSync(manifest, "utf8")).optionalDependencies ?? {});
const libc = process.report?.getReport?.().header?.glibcVersionRuntime ? "gnu" : "musl";
const wanted = names.filter((name) => {
  const platform = `${process.platform}-${process.arch}`;
  return name.endsWith(platform) || name.endsWith(`${platform}-${libc}`);
});
const missing = wanted.filter((name) => !has(name));
if (missing.length === 0 || process.env.OPENCLAW_COMPLETING) process.exit(0);

const npm = process.env.npm_execpath;
if (!npm) {
  console.error(`Missing ${missing.join(", ")}: run "npm install" under Node 24 to bring it.`);
  process.exit(0);
}
console.log(`completing the install: ${missing.join(", ")}`);
const run = spawnSync(
  process.execPath,
  [npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
  { cwd: root, stdio: "inherit", env: { ...process.env, OPENCLAW_COMPLETING: "1" } },
);
process.exit(run.status ?? 1);
