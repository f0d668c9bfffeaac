// Adds to package-lock.json the optional platform packages that the registry does not serve at the
// pinned version: `npm install` leaves them out and `npm ci` then refuses the lock ("Missing: …").
// Run it after each change of the lock, under the Node of node_modules/.bin.
import fs from "node:fs";

const PLATFORM =
  /(darwin|linux|win32|android|freebsd|openharmony|aix)-([a-z0-9]+)(?:-(gnu|musl|msvc))?/;
const LIBC = { gnu: ["glibc"], musl: ["musl"] };

const lock = JSON.parse(fs.readFileSync("package-lock.json", "utf8"));
let added = 0;
for (const [location, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (
      lock.packages[`node_modules/${name}`] ||
      lock.packages[`${location}/node_modules/${name}`]
    ) {
      continue;
    }
    const match = PLATFORM.exec(name);
    if (!match) continue;
    const [, os, cpu, libc] = match;
    lock.packages[`node_modules/${name}`] = {
      version: range.replace(/^[\^~]/, ""),
      cpu: [cpu],
      ...(LIBC[libc] ? { libc: LIBC[libc] } : {}),
      optional: true,
      os: [os],
    };
    added += 1;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)),
);
fs.writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
console.log(`complete-lock: added ${added}`);
