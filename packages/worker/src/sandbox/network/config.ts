// What the gateway is told, and what it makes of it: the library's configuration and the names that
// are judged here, because the library's lists cannot say them.

import {
  SandboxRuntimeConfigSchema,
  type SandboxRuntimeConfig,
} from "@anthropic-ai/sandbox-runtime";
import { z } from "zod";

const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const domain = z
  .string()
  .max(256)
  .regex(new RegExp(`^!?(?:\\*|(?:\\*\\.)?${label}(?:\\.${label})*)$`), "is no domain");

/** The first line that the gateway reads. A name with `!` in front is taken out of a wider one. */
export const orderSchema = z.strictObject({
  domains: z
    .array(domain)
    .min(1)
    .max(1_000)
    .refine((list) => list.some((name) => !name.startsWith("!")), "opens nothing"),
  tools: z.strictObject({ bwrap: absolute(), socat: absolute(), ripgrep: absolute() }),
});
export type Order = z.infer<typeof orderSchema>;

/** A line that the gateway prints. */
export const newsSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("ready"),
    socket: absolute(),
    token: z.string().regex(/^\w+$/),
  }),
  z.strictObject({ kind: z.literal("refused"), host: z.string(), why: z.string() }),
  z.strictObject({ kind: z.literal("failed"), why: z.string() }),
]);
export type News = z.infer<typeof newsSchema>;

function absolute() {
  return z.string().regex(/^\/[^\0\n]*$/, "must be an absolute path");
}

/**
 * Addresses that an allowed name may not lead to, beside the library's own list (loopback,
 * link-local, multicast, cloud metadata, this computer's addresses): whoever keeps a name's DNS
 * records would otherwise choose which service of the local network a task talks to. The policy can
 * name such an address itself.
 */
const privateAddresses = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "240.0.0.0/4",
  "64:ff9b:1::/48",
  "fc00::/7",
  "fec0::/10",
] as const;

/** The library's configuration for an order. Throws a ZodError when the library would not take it. */
export function configOf({ domains, tools }: Order): SandboxRuntimeConfig {
  const { opened, closed, broad } = sorted(domains);
  const config = strictConfig.parse({
    network: {
      allowedDomains: opened,
      deniedDomains: closed,
      // A name that no list has is refused, unless there are broad ones to ask about.
      strictAllowlist: broad.length === 0,
      deniedResolvedAddresses: privateAddresses,
    },
    // Nothing is wrapped here: the cage is built by the worker.
    filesystem: { denyRead: [], allowWrite: [], denyWrite: [] },
    ripgrep: { command: tools.ripgrep },
    bwrapPath: tools.bwrap,
    socatPath: tools.socat,
  });
  return SandboxRuntimeConfigSchema.parse(config);
}

/**
 * Whether a name that the library's lists do not know is one of the broad ones: `*`, `*.com`, or a
 * name without a dot. Never an address, in whatever way it is written, and never this computer:
 * who wants those names them.
 */
export function opensBroadly(order: Pick<Order, "domains">, host: string): boolean {
  const { broad, closed, loose } = sorted(order.domains);
  const name = host.toLowerCase().replace(/\.$/, "");
  if (!new RegExp(`^(?:${label}\\.)*${label}$`).test(name)) return false;
  // The last part of an address is a number, also as `0x7f`; that of a name begins with a letter.
  if (!/(?:^|\.)[a-z][a-z0-9-]*$/.test(name) || isThisComputer(name)) return false;
  const isOneOf = (list: readonly string[]): boolean => list.some((one) => covers(one, name));
  return isOneOf(broad) && !isOneOf([...closed, ...loose]);
}

interface Sorted {
  /** What the library's own lists take. */
  readonly opened: readonly string[];
  readonly closed: readonly string[];
  /** What they do not. */
  readonly broad: readonly string[];
  readonly loose: readonly string[];
}

function sorted(domains: readonly string[]): Sorted {
  const open = domains.filter((name) => !name.startsWith("!"));
  const shut = domains.flatMap((name) => (name.startsWith("!") ? [name.slice(1)] : []));
  return {
    opened: open.filter((name) => !isBroad(name)),
    closed: shut.filter((name) => !isBroad(name)),
    broad: open.filter(isBroad),
    loose: shut.filter(isBroad),
  };
}

function isBroad(name: string): boolean {
  if (name === "localhost") return false;
  const rest = name.startsWith("*.") ? name.slice(2) : name;
  return rest === "*" || !rest.includes(".");
}

function isThisComputer(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}

function covers(pattern: string, name: string): boolean {
  if (pattern === "*") return true;
  return pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern;
}

const names = z.array(z.string().refine((name) => name !== "*" && !isBroad(name)));
const tool = absolute();

// The library strips what it does not know, so a misspelt key would be an open door.
const strictConfig = z.strictObject({
  network: z.strictObject({
    allowedDomains: names,
    deniedDomains: names,
    strictAllowlist: z.boolean(),
    deniedResolvedAddresses: z.array(z.string()).min(1),
  }),
  filesystem: z.strictObject({
    denyRead: z.array(z.never()),
    allowWrite: z.array(z.never()),
    denyWrite: z.array(z.never()),
  }),
  ripgrep: z.strictObject({ command: tool }),
  bwrapPath: tool,
  socatPath: tool,
});
