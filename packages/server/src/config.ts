import { nameSchema } from "@openclaw-worker/protocol";
import { z } from "zod";

/** Environment variables, as the entry file saw them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Config {
  readonly port: number;
  /** Addresses to listen on; `localhost` stands for both loopback addresses. */
  readonly host: string;
  /** The token of the guide, or null: then one is made and kept in the state folder. */
  readonly token: string | null;
  /** A token whose unsigned decisions are carried to workers; null: there is none. */
  readonly approveToken: string | null;
  /** Folder of the server's own state, 0700. */
  readonly stateDir: string;
  readonly logFormat: "json" | "text";
  readonly leaseMs: number;
  readonly store: StoreConfig;
  readonly chat: ChatConfig;
}

export interface StoreConfig {
  /** Address of a Redis; null: an SQLite file in the state folder. */
  readonly url: string | null;
  /** The operator says that this Redis is durable, where it will not tell itself. */
  readonly unchecked: boolean;
}

export interface ChatConfig {
  /** Base address of the chat API; Discord's by default. */
  readonly baseUrl: string;
  readonly token: string | null;
}

/** Wrong configuration: `message` says what, why and what to do. */
export class ConfigError extends Error {}

const tokenBytesMin = 16;
const knownTokens = [
  "your_token_here",
  "your-secret-token",
  "changeme",
  "change-me",
  "secret",
  "password",
];

const environmentSchema = z.object({
  WORKER_PORT: z.coerce
    .number({ error: "must be a port number from 0 to 65535" })
    .int("must be a port number from 0 to 65535")
    .min(0, "must be a port number from 0 to 65535")
    .max(65_535, "must be a port number from 0 to 65535")
    .default(3456),
  WORKER_HOST: z.string().min(1).default("localhost"),
  WORKER_TOKEN: z.string().optional(),
  APPROVE_TOKEN: z.string().optional(),
  OPENCLAW_WORKER_HOME: z.string().min(1).optional(),
  OPENCLAW_LOG: z.enum(["json", "text"], { error: 'must be "json" or "text"' }).default("text"),
  OPENCLAW_LEASE_MS: z.coerce.number().int().min(200).max(600_000).default(30_000),
  WORKER_STORE: z.string().optional(),
  WORKER_STORE_UNCHECKED: z.enum(["0", "1"], { error: 'must be "1" or not set' }).default("0"),
  CALLBACK_API_BASE_URL: z.url().default("https://discord.com/api/v10"),
  DISCORD_BOT_TOKEN: z.string().optional(),
  CALLBACK_BOT_TOKEN: z.string().optional(),
});

/**
 * Reads the server's configuration from its environment. Empty variables count as not set.
 * @throws ConfigError with one sentence for the first value that is wrong
 */
export function readConfig(env: Environment, home: string): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ConfigError(`${String(issue?.path[0])} ${issue?.message ?? "is wrong"}.`);
  }
  const values = parsed.data;
  return {
    port: values.WORKER_PORT,
    host: values.WORKER_HOST,
    token: values.WORKER_TOKEN === undefined ? null : checkToken(values.WORKER_TOKEN),
    approveToken: approveTokenOf(values.APPROVE_TOKEN, values.WORKER_TOKEN),
    stateDir: `${values.OPENCLAW_WORKER_HOME ?? `${home}/.openclaw-worker`}/server`,
    logFormat: values.OPENCLAW_LOG,
    leaseMs: values.OPENCLAW_LEASE_MS,
    store: {
      url: values.WORKER_STORE === undefined ? null : storeUrlOf(values.WORKER_STORE),
      unchecked: values.WORKER_STORE_UNCHECKED === "1",
    },
    chat: {
      baseUrl: values.CALLBACK_API_BASE_URL.replace(/\/+$/, ""),
      token: values.DISCORD_BOT_TOKEN ?? values.CALLBACK_BOT_TOKEN ?? null,
    },
  };
}

/**
 * A token that is long enough and not one of those that examples show.
 * @throws ConfigError that says how to make one
 */
export function checkToken(token: string, name = "WORKER_TOKEN"): string {
  const remedy = "Make one with: openssl rand -hex 32";
  if (Buffer.byteLength(token) < tokenBytesMin) {
    throw new ConfigError(
      `${name} is shorter than ${tokenBytesMin} characters, so it can be guessed. ${remedy}`,
    );
  }
  if (
    knownTokens.some((known) => token.toLowerCase().startsWith(known)) ||
    /^(.)\1*$/.test(token)
  ) {
    throw new ConfigError(`${name} is a token from an example, so everybody knows it. ${remedy}`);
  }
  return token;
}

/** Null for the embedded store, `sqlite`. */
function storeUrlOf(text: string): string | null {
  if (text === "sqlite") return null;
  if (text.startsWith("redis")) return text;
  throw new ConfigError(
    "WORKER_STORE must be an address of a Redis (redis://host:6379), or sqlite for the file in the state folder.",
  );
}

function approveTokenOf(given: string | undefined, token: string | undefined): string | null {
  if (given === undefined) return null;
  // One token for both would let whoever submits a task approve it.
  if (given.trim() === token?.trim())
    throw new ConfigError(
      "APPROVE_TOKEN must differ from WORKER_TOKEN: a token that executes never approves.",
    );
  return checkToken(given, "APPROVE_TOKEN");
}

/** What a worker calls itself, when that is a name; anything else is nobody in particular. */
export function nameOrAnonymous(name: string | undefined): string {
  const parsed = nameSchema.safeParse(name);
  return parsed.success ? parsed.data : "anonymous";
}
