// Why a caged command may have failed, and the line of the policy that would open what it wanted.
// A guess from its words and its last words, so it is a hint and decides nothing.

import path from "node:path";
import type { Report } from "@openclaw-worker/protocol";
import type { Cage } from "../job.ts";
import { systemFolders } from "../sandbox/launcher.ts";
import { isWithin } from "../sandbox/path.ts";
import type { ProcessTask } from "../sandbox/script.ts";

export interface Failed {
  readonly task: ProcessTask;
  readonly cwd: string;
  readonly cage: Cage;
  /** Names that the proxy did not let through. */
  readonly refused: readonly string[];
  readonly report: Pick<Report, "stdout" | "stderr">;
  /** Where the line is to be written. */
  readonly policyFile: string;
}

/** A sentence with the line to add, or null when nothing looks as if the cage had stopped it. */
export function hintFor(failed: Failed): string | null {
  return networkHint(failed) ?? pathHint(failed);
}

function networkHint(failed: Failed): string | null {
  const { task, cage, refused } = failed;
  const [first] = refused;
  if (first !== undefined) {
    const names = refused.length === 1 ? first : `${first} (and ${refused.length - 1} more)`;
    const own = leftOut(task, first);
    return `The cage's network does not reach ${names}. ${own ?? addition("WebFetch", `domain:${first}`, failed)}`;
  }
  if ((cage.domains ?? []).length > 0) return null;
  const text = `${failed.report.stderr}\n${failed.report.stdout}`.slice(-tailCharacters);
  if (!noNetwork.test(text) && !wantsNetwork(task)) return null;
  const domain = domainIn(text) ?? domainIn(wordsOf(task).join(" "));
  const own = leftOut(task, domain ?? "");
  const line = addition("WebFetch", `domain:${domain ?? "example.com"}`, failed);
  // Where the command does not say it, only its user knows what it wanted to reach.
  const which = domain === null ? " (the domain that it needs in the place of example.com)" : "";
  return `The cage has no network. ${own ?? `${line}${which}`}`;
}

/** The end of the output is where programs say why they gave up. */
const tailCharacters = 16_384;

const noNetwork =
  /could ?n[o']t resolve|network is unreachable|EAI_AGAIN|ENETUNREACH|temporary failure in name resolution|name or service not known|no address associated with hostname|getaddrinfo|failed to resolve|nodename nor servname|unable to resolve host|dns error/i;

/** A task that asked for less than it could have had. */
function leftOut({ needs }: ProcessTask, domain: string): string | null {
  if (needs?.network === undefined || needs.network.includes(domain)) return null;
  return "The task itself asked for no more (needs.network): name the domain there";
}

function addition(tool: string, body: string, { policyFile }: Failed): string {
  return `To allow it: add ${JSON.stringify(`${tool}(${body})`)} to rules.allow in ${policyFile}, on this computer`;
}

/** The simple commands of a task, roughly: good enough to see which programs it names. */
function commandsOf(task: ProcessTask): readonly (readonly string[])[] {
  if (task.kind === "exec") return [task.argv];
  return task.command
    .slice(0, 32_768)
    .split(/[;|&()`\n]+/)
    .map((text) => text.split(/[\s<>"']+/).filter((word) => word !== ""))
    .map((words) => words.slice(words.findIndex((word) => !beforeProgram.test(word))));
}

// What may stand before the program: an assignment, an option or number of a wrapper, a wrapper.
const beforeProgram =
  /^(?:\w+=.*|-.*|[\d.]+[smh]?|sudo|env|timeout|nice|nohup|time|exec|command|xargs|if|then|do|while|until|!)$/;

function wordsOf(task: ProcessTask): readonly string[] {
  return commandsOf(task).flat();
}

const always: ReadonlySet<string> = new Set(
  "curl wget ssh scp sftp rsync ping dig nslookup host telnet ftp aria2c gh glab http https".split(
    " ",
  ),
);
const verbs: Readonly<Record<string, readonly string[]>> = {
  git: ["push", "fetch", "clone", "pull", "ls-remote"],
  npm: ["install", "i", "ci", "publish", "view", "update", "add", "audit"],
  pnpm: ["install", "i", "add", "update", "publish"],
  yarn: ["install", "add", "upgrade", "publish"],
  bun: ["install", "add"],
  pip: ["install", "download"],
  pip3: ["install", "download"],
  uv: ["sync", "add", "pip"],
  cargo: ["install", "fetch", "update", "publish"],
  go: ["get", "install", "mod"],
  gem: ["install"],
  docker: ["pull", "push"],
};

function wantsNetwork(task: ProcessTask): boolean {
  return commandsOf(task).some(([program = "", ...rest]) => {
    const name = path.basename(program);
    const wanted = Object.hasOwn(verbs, name) ? (verbs[name] ?? []) : [];
    return always.has(name) || rest.slice(0, 5).some((word) => wanted.includes(word));
  });
}

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
// In a URL, after `user@`, or where programs quote the name that they could not resolve.
const named = new RegExp(
  `(?:\\b[a-z][a-z0-9+.-]{0,15}://(?:[^\\s/@]{0,200}@)?|\\b[\\w.-]{1,64}@|(?:host(?:name)?:? |resolve |ENOTFOUND |EAI_AGAIN )['"\`]?)(${label}(?:\\.${label})+)`,
  "i",
);

function domainIn(text: string): string | null {
  return named.exec(text)?.[1]?.toLowerCase() ?? null;
}

const closedFile = /read-only file system|permission denied|no such file|EROFS|EACCES|ENOENT/i;

function pathHint(failed: Failed): string | null {
  const { report, task, cage } = failed;
  const text = `${report.stderr}\n${report.stdout}`.slice(-tailCharacters);
  const line = text.split("\n").find((one) => closedFile.test(one));
  if (line === undefined) return null;
  const written = /read-only|EROFS/i.test(line);
  const file = wordsOf(task)
    .flatMap((word) => placesIn(word, failed.cwd))
    .find((place) => isClosed(place, { cage, written }) && mentions(text, place));
  if (file === undefined) return null;
  const root = cage.roots.find((folder) => isWithin(file, folder));
  if (root !== undefined) {
    return `The task asked to write less than it could (needs.write): name ${root} there`;
  }
  const shown = written ? "does not let it write" : "does not show";
  return `The cage ${shown} ${file}. ${addition(written ? "Edit" : "Read", file, failed)}`;
}

/** The paths that a word may hold: itself, or what follows a `=`. */
function placesIn(word: string, cwd: string): readonly string[] {
  const value = word.includes("=") ? word.slice(word.indexOf("=") + 1) : word;
  if (value.startsWith("/")) return [path.normalize(value).replace(/(.)\/$/, "$1")];
  return value.startsWith("../") ? [path.resolve(cwd, value)] : [];
}

interface Wall {
  readonly cage: Cage;
  readonly written: boolean;
}

function isClosed(place: string, { cage, written }: Wall): boolean {
  const { readOnly = [], writable = [], readable } = cage;
  const open = [...cage.roots.filter((root) => !readOnly.includes(root)), ...writable];
  const seen = [...cage.roots, ...readable, ...systemFolders, "/tmp", "/dev", "/proc"];
  const free = written ? [...open, "/tmp", "/dev", "/proc"] : [...open, ...seen];
  return place !== "/" && !free.some((folder) => isWithin(place, folder));
}

/** Programs name the path, or the part of it that they came to. */
function mentions(text: string, place: string): boolean {
  return text.includes(place) || text.includes(path.basename(place));
}
