// The kernel's switches that the cage needs: user namespaces and seccomp filters.

import fs from "node:fs";
import type { Host } from "../host.ts";
import { fail, ok, type Row } from "./row.ts";

/** Reads a file of /proc or /etc; null when it is not there. */
export type Look = (file: string) => string | null;

export function kernelRows(host: Pick<Host, "platform">, look: Look = textOf): readonly Row[] {
  if (host.platform !== "linux") return [];
  return [namespaceRow(look), seccompRow(look)];
}

// A switch, the value that closes user namespaces, and how to open them.
const switches = [
  ["/proc/sys/user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"],
  [
    "/proc/sys/kernel/unprivileged_userns_clone",
    "0",
    "sudo sysctl -w kernel.unprivileged_userns_clone=1",
  ],
] as const;

const restricted = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
const profiles = ["/etc/apparmor.d/bwrap", "/etc/apparmor.d/bwrap-userns-restrict"];
// Only bubblewrap gets what the switch takes from all programs, instead of opening it for all.
const profile =
  "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile bwrap /usr/bin/bwrap flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee /etc/apparmor.d/bwrap && sudo apparmor_parser -r /etc/apparmor.d/bwrap";

function namespaceRow(look: Look): Row {
  const closed = switches.find(([file, value]) => look(file)?.trim() === value);
  if (closed !== undefined) {
    const [file, value, remedy] = closed;
    return fail("namespaces", `${file} is ${value}`, {
      why: "the cage is made of user namespaces: without them none can be built, and no task is taken",
      do: `${remedy} (and a file in /etc/sysctl.d, so that it stays)`,
    });
  }
  if (look(restricted)?.trim() === "1") {
    const known = profiles.find((file) => look(file) !== null);
    if (known !== undefined) {
      return ok("namespaces", `AppArmor lets only some programs have them; ${known} is there`);
    }
    return fail("namespaces", "AppArmor takes user namespaces from programs without a profile", {
      why: `${restricted} is 1 (Ubuntu since 24.04), and bubblewrap has no profile: no cage can be built`,
      do: profile,
    });
  }
  return ok("namespaces", "user namespaces are allowed");
}

function seccompRow(look: Look): Row {
  const actions = look("/proc/sys/kernel/seccomp/actions_avail");
  if (actions !== null && /\berrno\b/.test(actions)) {
    return ok("seccomp", "the kernel takes filters");
  }
  return fail("seccomp", "the kernel takes no seccomp filters", {
    why: "they close sockets of other programs to a task: without them no task is taken",
    do: "Use a kernel with CONFIG_SECCOMP_FILTER (every common distribution has it; some containers do not)",
  });
}

function textOf(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
