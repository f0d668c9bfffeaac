// A systemd scope around a cage, where the user has a manager of their own: the kernel then bounds
// the memory, the processes and the share of the processor of the whole cage, which no limit per
// process can.
//
// Not run under a real user manager yet: what is tested is these arguments, and that a cage whose
// scope does not work is built without one. So a scope adds to the limits inside the cage and takes
// the place of none.

/** Where a user's manager listens, below the folder of the user's runtime. */
const socketBelow = "systemd/private";

/** The folder of the user's runtime, as pam_systemd(8) makes it. */
function runtimeFolder(userId: number): string {
  return `/run/user/${userId}`;
}

/** The manager's socket. */
export function managerSocket(userId: number): string {
  return `${runtimeFolder(userId)}/${socketBelow}`;
}

export interface ScopeLimits {
  readonly memoryBytes: number;
  readonly tasks: number;
}

/** What a cage may use of a machine: most of the memory, and less of the processor than its owner. */
export function scopeLimits(machineBytes: number, processes: number | null): ScopeLimits {
  // The worker's own processes of the cage come on top of the task's.
  return { memoryBytes: Math.floor(machineBytes * 0.75), tasks: (processes ?? 1_024) + 16 };
}

export interface ScopeTools {
  /** Absolute paths. */
  readonly systemdRun: string;
  readonly env: string;
  readonly userId: number;
}

/**
 * The arguments that run `argv` in a scope of its own (systemd-run(1)). Each program becomes the
 * next one, so signals and descriptors reach the last. What the first one must know of the user's
 * manager is not passed on.
 */
export function inScope(
  argv: readonly string[],
  { systemdRun, env, userId }: ScopeTools,
  limits: ScopeLimits,
): readonly string[] {
  const properties = [
    `MemoryMax=${limits.memoryBytes}`,
    "MemorySwapMax=0",
    `TasksMax=${limits.tasks}`,
    "CPUWeight=50",
    "IOWeight=50",
  ];
  const through = [env, `XDG_RUNTIME_DIR=${runtimeFolder(userId)}`, systemdRun];
  const scope = ["--user", "--scope", "--quiet", "--collect", "--slice=openclaw-worker.slice"];
  const limited = properties.flatMap((property) => ["--property", property]);
  return [...through, ...scope, ...limited, "--", env, "-u", "XDG_RUNTIME_DIR", ...argv];
}
