// The worker's settings, read once from the environment variables that are handed in.

import path from "node:path";
import { limits, nameSchema } from "@openclaw-worker/protocol";

export interface WorkerConfig {
  readonly url: URL;
  /** Null: it is read from the file `token` in the state folder. */
  readonly token: string | null;
  readonly name: string;
  readonly labels: readonly string[];
  readonly slots: number;
  /** Value of POLL_INTERVAL in milliseconds, which nothing needs any more. */
  readonly pollIntervalMs: number | null;
  /** Value of LONG_POLL_WAIT in milliseconds. */
  readonly pollWaitMs: number | null;
  /** Parent of the state folder; holds `policy.json`. */
  readonly workerHome: string;
  readonly stateDir: string;
  readonly policyFile: string;
  readonly tokenFile: string;
  /** OPENCLAW_WORKER_ROOTS, or null. */
  readonly roots: string | null;
  readonly logFormat: "json" | "text";
}

export type ConfigRead =
  | { readonly kind: "config"; readonly config: WorkerConfig; readonly notes: readonly string[] }
  /** One sentence for each bad value: what, why, what to do. */
  | { readonly kind: "invalid"; readonly errors: readonly string[] };

export interface ConfigSource {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly hostname: string;
}

const defaultUrl = "http://127.0.0.1:3456";
const slotsDefault = 3;
const slotsMax = 64;
const pollWaitMsMin = 1_000;

/** Reads every setting, and names all that are wrong at once. An empty variable counts as not set. */
export function readConfig(source: ConfigSource): ConfigRead {
  const errors: string[] = [];
  const notes: string[] = [];
  const text = (name: string): string | null => source.env[name]?.trim() || null;
  const whole = (name: string, min: number, max: number): number | null => {
    const value = text(name);
    if (value === null) return null;
    if (/^\d{1,15}$/.test(value) && Number(value) >= min && Number(value) <= max)
      return Number(value);
    errors.push(
      `${name} is ${JSON.stringify(value)}: it must be a whole number from ${min} to ${max}`,
    );
    return null;
  };
  const url = readUrl(text("WORKER_URL") ?? defaultUrl, {
    allowHttp: text("WORKER_ALLOW_HTTP") === "1",
    errors,
    notes,
  });
  const token = text("WORKER_TOKEN");
  if (token !== null && !isToken(token)) errors.push(tokenProblem("WORKER_TOKEN"));
  const workerHome = text("OPENCLAW_WORKER_HOME") ?? path.join(source.home, ".openclaw-worker");
  if (!path.isAbsolute(workerHome))
    errors.push(
      `OPENCLAW_WORKER_HOME is ${JSON.stringify(workerHome)}: it must be an absolute path`,
    );
  const stateDir = path.join(workerHome, "worker");
  const longPollWait = whole("LONG_POLL_WAIT", pollWaitMsMin, Number.MAX_SAFE_INTEGER);
  if (longPollWait !== null && longPollWait > limits.pollHoldMsMax) {
    notes.push(
      `LONG_POLL_WAIT is ${longPollWait}: ${limits.pollHoldMsMax} is used, because common proxies cut a request at 60 s`,
    );
  }
  const config: WorkerConfig = {
    url,
    token,
    name: readName(text("WORKER_ID"), { hostname: source.hostname, errors }),
    labels: readLabels(text("OPENCLAW_WORKER_LABELS"), errors),
    slots: whole("MAX_CONCURRENT", 1, slotsMax) ?? slotsDefault,
    pollIntervalMs: whole("POLL_INTERVAL", 0, Number.MAX_SAFE_INTEGER),
    pollWaitMs: longPollWait,
    workerHome,
    stateDir,
    policyFile: path.join(workerHome, "policy.json"),
    tokenFile: path.join(stateDir, "token"),
    roots: text("OPENCLAW_WORKER_ROOTS"),
    logFormat: readLogFormat(text("OPENCLAW_LOG"), errors),
  };
  return errors.length > 0 ? { kind: "invalid", errors } : { kind: "config", config, notes };
}

/** May this text be a bearer token? It travels in a header, so it is printable ASCII without blanks. */
export function isToken(text: string): boolean {
  return /^[\x21-\x7e]{1,1024}$/.test(text);
}

/** Why a token is refused. The token itself is never shown. */
export function tokenProblem(where: string): string {
  return `${where} is not a token: copy it again, without blanks, from the server's first start`;
}

interface UrlOptions {
  readonly allowHttp: boolean;
  readonly errors: string[];
  readonly notes: string[];
}

function readUrl(text: string, { allowHttp, errors, notes }: UrlOptions): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    errors.push(
      `WORKER_URL is ${JSON.stringify(text)}: it must be an address such as https://tasks.example.com`,
    );
    return new URL(defaultUrl);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    errors.push(
      "WORKER_URL holds more than an address: give the token as WORKER_TOKEN, and leave out '?', '#' and '@'",
    );
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    const meaning =
      "over plain http anybody on the way can read and change tasks and results, and steal the token";
    if (allowHttp) notes.push(`WORKER_ALLOW_HTTP=1: ${meaning}`);
    else
      errors.push(
        `WORKER_URL is ${url.origin}: ${meaning}. Use https://, or accept that with WORKER_ALLOW_HTTP=1`,
      );
  }
  return url;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

function readName(
  given: string | null,
  { hostname, errors }: { hostname: string; errors: string[] },
): string {
  if (given === null) return nameFrom(hostname);
  if (nameSchema.safeParse(given).success) return given;
  errors.push(
    `WORKER_ID is ${JSON.stringify(given)}: it must be 1 to 64 of letters, digits, '.', '_' and '-'`,
  );
  return nameFrom(hostname);
}

/** A hostname made fit for a worker's name: what a name cannot hold becomes '-'. */
export function nameFrom(hostname: string): string {
  const fit = hostname
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, limits.nameBytesMax);
  return fit === "" ? "worker" : fit;
}

function readLabels(text: string | null, errors: string[]): readonly string[] {
  const labels = [
    ...new Set(
      (text ?? "")
        .split(",")
        .map((label) => label.trim())
        .filter((label) => label !== ""),
    ),
  ];
  for (const label of labels) {
    if (nameSchema.safeParse(label).success) continue;
    errors.push(
      `OPENCLAW_WORKER_LABELS holds ${JSON.stringify(label)}: a label is 1 to 64 of letters, digits, '.', '_' and '-'`,
    );
  }
  if (labels.length > limits.labelsMax)
    errors.push(
      `OPENCLAW_WORKER_LABELS holds ${labels.length} labels: at most ${limits.labelsMax} are taken`,
    );
  return labels;
}

function readLogFormat(text: string | null, errors: string[]): "json" | "text" {
  if (text === null || text === "text") return "text";
  if (text !== "json")
    errors.push(`OPENCLAW_LOG is ${JSON.stringify(text)}: it must be "json" or "text"`);
  return "json";
}
