// A cage with a way out: the cage of a task without network, argument for argument, and one socket
// more. The network of the cage stays a new and empty one. In it a relay listens on a port and hands
// every connection to the socket, behind which the gateway decides. Programs find the relay by the
// variables that name a proxy; those that know no proxy have no network.

import { quote } from "../script.ts";
import { CageUnavailable } from "../unavailable.ts";

/** Where the socket is in the cage: /tmp there is the task's own. */
const inside = "/tmp/.openclaw-network";
const port = 3_128;

/** Throws CageUnavailable when the arguments are not those of a cage without network. */
export function withRelay(
  argv: readonly string[],
  socket: string,
  socat: string,
): readonly string[] {
  const end = argv.indexOf("--", argv.indexOf("--unshare-net"));
  if (!argv.includes("--unshare-net") || end < 0) {
    throw new CageUnavailable(
      "The cage's arguments are not understood, so it is given no network",
      "Run: openclaw-worker doctor",
    );
  }
  const mount = ["--ro-bind", socket, inside];
  const command = ["--", "/bin/bash", "--noprofile", "--norc", "-c", relay(socat), "network"];
  return [...argv.slice(0, end), ...mount, ...command, ...argv.slice(end + 1)];
}

/** Starts the relay, waits until it listens, and becomes the cage's own command. */
function relay(socat: string): string {
  const options = "fork,reuseaddr,backlog=4096";
  const listening = port.toString(16).toUpperCase().padStart(4, "0");
  return [
    // Its parent is the cage's first process, so the command has no child that it does not know.
    // IPv6 that takes IPv4 as well, where the kernel has it: `localhost` may be either.
    `( { ${quote(socat)} TCP6-LISTEN:${port},ipv6only=0,${options} UNIX-CONNECT:${inside} ||`,
    `exec ${quote(socat)} TCP4-LISTEN:${port},${options} UNIX-CONNECT:${inside}; } </dev/null >/dev/null 2>&1 3>&- & )`,
    "listens() { while read -r _ local _ state _; do",
    `case "$local $state" in *":${listening} 0A") return 0 ;; esac; done < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null); return 1; }`,
    "for _ in {1..200}; do listens && break; /usr/bin/sleep 0.01; done; unset -f listens",
    'exec "$@"',
  ].join("\n");
}

/** Names of this computer, which clients reach without a proxy unless the task may reach them. */
const loopback = ["localhost", "127.0.0.1", "::1"] as const;

/** What programs read to find their proxy. */
export function proxyVariables(
  token: string,
  domains: readonly string[],
): Readonly<Record<string, string>> {
  const http = `http://srt:${token}@localhost:${port}`;
  const socks = `socks5h://srt:${token}@localhost:${port}`;
  const direct = loopback.filter((name) => !domains.includes(name)).join(",");
  const ssh =
    "ssh -o ControlMaster=no -o ControlPath=none -o ProxyCommand=" +
    `'socat - PROXY:localhost:%h:%p,proxyport=${port},proxyauth=srt:${token}'`;
  return {
    ...bothCases({ http_proxy: http, https_proxy: http, all_proxy: http, no_proxy: direct }),
    ...bothCases({ ftp_proxy: socks, grpc_proxy: http }),
    NODE_USE_ENV_PROXY: "1",
    // git sends the password with its first request, and never asks a helper for it.
    GIT_CONFIG_PARAMETERS: "'http.proxyAuthMethod=basic'",
    GIT_SSH_COMMAND: ssh,
    CLOUDSDK_PROXY_TYPE: "http",
    CLOUDSDK_PROXY_ADDRESS: "localhost",
    CLOUDSDK_PROXY_PORT: String(port),
    CLOUDSDK_PROXY_USERNAME: "srt",
    CLOUDSDK_PROXY_PASSWORD: token,
  };
}

function bothCases(variables: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const upper = Object.entries(variables).map(([name, value]) => [name.toUpperCase(), value]);
  return { ...variables, ...Object.fromEntries(upper) };
}

/** Shell text that sets them; what the task brings itself comes later, and wins. */
export function exportLines(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${quote(value)}\n`)
    .join("");
}
