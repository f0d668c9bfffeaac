// An sshd of this run alone: own host key, own user key, a port of its own on loopback, run as the
// user who runs the bench. An open connection (ControlMaster) is what a careful person would use.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import type { Bench } from "./row.ts";

const sshd = "/usr/sbin/sshd";

export type Sshd = AsyncDisposable &
  (
    | { readonly kind: "open"; readonly argv: readonly string[] }
    | { readonly kind: "none"; readonly why: string }
  );

/** `argv` and a command after it run that command over the open connection. */
export async function openSshd(bench: Bench): Promise<Sshd> {
  const none = (why: string): Sshd => ({ kind: "none", why, async [Symbol.asyncDispose]() {} });
  if (!fs.existsSync(sshd) || !fs.existsSync("/usr/bin/ssh")) return none("no sshd here");
  const folder = path.join(bench.folder, "ssh");
  fs.mkdirSync(folder, { mode: 0o700 });
  for (const name of ["host", "user"]) {
    spawnSync("/usr/bin/ssh-keygen", [
      "-q",
      "-t",
      "ed25519",
      "-N",
      "",
      "-f",
      path.join(folder, name),
    ]);
  }
  fs.copyFileSync(path.join(folder, "user.pub"), path.join(folder, "authorized"));
  const port = await freePort();
  const config = path.join(folder, "sshd_config");
  fs.writeFileSync(
    config,
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${folder}/host`,
      `PidFile ${folder}/pid`,
      `AuthorizedKeysFile ${folder}/authorized`,
      "UsePAM no",
      "StrictModes no",
      "PasswordAuthentication no",
      "MaxSessions 64",
      "MaxStartups 64",
      "UseDNS no",
      "",
    ].join("\n"),
  );
  const daemon = bench.crew.start({ argv: [sshd, "-D", "-f", config], env: bench.env });
  const control = path.join(folder, "control");
  const common = ["-F", "none", "-S", control, "-p", String(port)];
  const host = [`${os.userInfo().username}@127.0.0.1`];
  const master = bench.crew.start({
    argv: [
      "ssh",
      ...common,
      "-M",
      "-N",
      "-i",
      path.join(folder, "user"),
      "-o",
      "BatchMode=yes",
      "-o",
      "ConnectionAttempts=20",
      "-o",
      "StrictHostKeyChecking=accept-new",
      "-o",
      `UserKnownHostsFile=${folder}/known`,
      ...host,
    ],
    env: bench.env,
  });
  const close = async (): Promise<void> => {
    await master.stop();
    await daemon.stop();
  };
  const argv = ["ssh", ...common, ...host];
  for (let tries = 0; tries < 50; tries += 1) {
    const ready = spawnSync("ssh", [...common, "-O", "check", ...host]).status === 0;
    if (ready) return { kind: "open", argv, [Symbol.asyncDispose]: close };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await close();
  return none("ssh could not log in to its own sshd");
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
