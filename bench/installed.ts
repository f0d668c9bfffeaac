// How big an install is, from the lock file: what npm would put on a user's disk for some packages,
// without dev dependencies and without optional ones (the Node that comes along is one of those).

import fs from "node:fs";
import path from "node:path";

export interface Installed {
  readonly mb: number;
  /** The largest packages, with their MB. */
  readonly largest: readonly (readonly [name: string, mb: number])[];
  readonly packages: number;
}

interface Entry {
  /** Where a workspace really lies; null for a package from the registry. */
  readonly link: string | null;
  readonly dependencies: readonly string[];
}

/**
 * Walks the lock's tree from `roots` (folders such as "packages/cli") as Node resolves names, and adds
 * up the sizes of what is on the disk. Workspaces count as they are published: `dist`, `src`, `bin`.
 */
export function installedSize(checkout: string, roots: readonly string[]): Installed {
  const entries = readLock(checkout);
  const seen = new Set<string>();
  const visit = (at: string): void => {
    const entry = entries.get(at);
    const target = entry?.link ?? at;
    if (entry === undefined || seen.has(target)) return;
    seen.add(target);
    const { dependencies } = entries.get(target) ?? entry;
    for (const name of dependencies) visit(find(entries, target, name));
  };
  for (const root of roots) visit(root);
  const sizes = [...seen]
    .map((at) => [at.replace(/^.*node_modules\//, ""), bytesOf(checkout, at) / 1e6] as const)
    .toSorted(([, a], [, b]) => b - a);
  const mb = sizes.reduce((sum, [, one]) => sum + one, 0);
  return { mb, largest: sizes.slice(0, 6), packages: seen.size };
}

/** Node's own search: node_modules here, then in every folder above. */
function find(entries: ReadonlyMap<string, Entry>, from: string, name: string): string {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    const candidate = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (entries.has(candidate)) return candidate;
    if (folder === "") return candidate;
    if (!folder.includes("/")) folder = "/";
  }
}

function readLock(checkout: string): ReadonlyMap<string, Entry> {
  const lock: unknown = JSON.parse(
    fs.readFileSync(path.join(checkout, "package-lock.json"), "utf8"),
  );
  return new Map(
    Object.entries(member(lock, "packages")).map(([at, value]) => {
      const resolved = Object.entries(value ?? {}).find(([name]) => name === "resolved")?.[1];
      const isLink = Object.entries(value ?? {}).some(
        ([name, flag]) => name === "link" && flag === true,
      );
      return [
        at,
        {
          link: isLink ? String(resolved) : null,
          dependencies: Object.keys(member(value, "dependencies")),
        },
      ];
    }),
  );
}

function member(value: unknown, name: string): Readonly<Record<string, object | null>> {
  if (typeof value !== "object" || value === null) return {};
  const found = Object.entries(value).find(([key]) => key === name)?.[1];
  return typeof found === "object" && found !== null ? found : {};
}

function bytesOf(checkout: string, at: string): number {
  const folder = path.join(checkout, at);
  const isOurs = !at.includes("node_modules");
  const folders = isOurs ? ["dist", "src", "bin"].map((name) => path.join(folder, name)) : [folder];
  return folders.reduce((sum, one) => sum + folderBytes(one), 0);
}

// Whole blocks, as a disk gives them away; nested packages are counted by themselves.
function folderBytes(folder: string): number {
  if (!fs.existsSync(folder)) return 0;
  return fs.readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? sum : sum + folderBytes(file);
    return entry.isFile() ? sum + fs.statSync(file).blocks * 512 : sum;
  }, 0);
}
