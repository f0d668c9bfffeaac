import { Command, CommanderError } from "commander";
import type { End } from "./end.ts";
import { exitCodes, failureText, toFailure } from "./failure.ts";
import type { Host } from "./host.ts";
import { paintOf } from "./paint.ts";

/** A file in command/: makes its command when it is needed, and not before. */
interface CommandFile {
  define(host: Host, end: End): Command;
}

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandFile>;
}

// Every command is a file of its own, loaded when it is the one: `run` never loads the server.
const entries: readonly Entry[] = [
  {
    name: "up",
    summary: "start server and worker here, and try them",
    load: () => import("./command/up.ts"),
  },
  { name: "server", summary: "start the server alone", load: () => import("./command/server.ts") },
  { name: "worker", summary: "start the worker alone", load: () => import("./command/worker.ts") },
  {
    name: "run",
    summary: "run a shell command on the worker's computer",
    load: () => import("./command/run.ts"),
  },
  {
    name: "exec",
    summary: "run a program there, without a shell",
    load: () => import("./command/exec.ts"),
  },
  { name: "read", summary: "read a file there", load: () => import("./command/read.ts") },
  { name: "write", summary: "write a file there", load: () => import("./command/write.ts") },
  {
    name: "edit",
    summary: "replace text in a file there",
    load: () => import("./command/edit.ts"),
  },
  { name: "ls", summary: "list a folder there", load: () => import("./command/ls.ts") },
  { name: "tasks", summary: "list tasks", load: () => import("./command/tasks.ts") },
  {
    name: "task",
    summary: "show one task and its result",
    load: () => import("./command/task.ts"),
  },
  { name: "cancel", summary: "end a task", load: () => import("./command/cancel.ts") },
  { name: "workers", summary: "list workers", load: () => import("./command/workers.ts") },
  {
    name: "mcp",
    summary: "be an MCP server: for Claude, Codex and others",
    load: () => import("./command/mcp.ts"),
  },
  {
    name: "policy",
    summary: "make, check and try the worker's policy",
    load: () => import("./command/policy.ts"),
  },
  {
    name: "store",
    summary: "move the server's tasks to another store",
    load: () => import("./command/store.ts"),
  },
  {
    name: "approvals",
    summary: "what waits for your yes",
    load: () => import("./command/approvals.ts"),
  },
  {
    name: "grants",
    summary: "what you allowed from now on, and take it back",
    load: () => import("./command/grants.ts"),
  },
  {
    name: "stop",
    summary: "stop a worker hard: all its tasks end, it takes no more",
    load: () => import("./command/stop.ts"),
  },
  {
    name: "resume",
    summary: "let a stopped worker work again",
    load: () => import("./command/resume.ts"),
  },
  {
    name: "key",
    summary: "keys to sign with: make one, enroll, list, revoke",
    load: () => import("./command/key.ts"),
  },
  {
    name: "audit",
    summary: "what the worker did: list, show, export, verify",
    load: () => import("./command/audit.ts"),
  },
  {
    name: "doctor",
    summary: "look for what is wrong, and say what to do",
    load: () => import("./command/doctor.ts"),
  },
];

// For `doctor`: not shown, because its answer is for a program.
const hidden: Entry = {
  name: "self-test",
  summary: "",
  load: () => import("./command/self-test.ts"),
};

/** Runs the command that `host.args` names. Resolves with the exit code; never rejects. */
export async function runCli(host: Host): Promise<number> {
  const [first, ...rest] = host.args;
  const asked = first === "help" && rest[0] !== undefined ? [rest[0], "--help"] : host.args;
  const entry = [...entries, hidden].find(({ name }) => name === asked[0]);
  let exitCode: number = exitCodes.ok;
  const end: End = (code) => {
    exitCode = code;
  };
  try {
    const command = entry === undefined ? await overview() : (await entry.load()).define(host, end);
    prepared(command, host);
    // Without a command: the overview is the answer to a question not asked, so it is an error.
    if (asked.length === 0) {
      command.outputHelp({ error: true });
      return exitCodes.usage;
    }
    await command.parseAsync(entry === undefined ? asked : asked.slice(1), { from: "user" });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    }
    if (host.signal.aborted) return exitCodes.cancelled;
    const failure = toFailure(thrown);
    host.stderr.write(failureText(failure, paintOf(host, host.stderr)));
    return failure.exitCode;
  }
}

async function overview(): Promise<Command> {
  const { version } = await import("@openclaw-worker/protocol");
  const command = new Command("openclaw-worker")
    .description("Let a cloud AI use your computer safely.")
    .version(version)
    .usage("<command> [options]")
    .helpCommand("help [command]", "show what a command does");
  for (const { name, summary } of entries) command.command(name).summary(summary).helpOption(false);
  return command.addHelpText("after", overviewHelp);
}

/** Everything that commander would print or end goes through the host. */
function prepared(command: Command, host: Host): void {
  const paint = paintOf(host, host.stderr);
  command
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: (text, write) => write(paint.red(text)),
      getOutHelpWidth: () => Math.min(host.stdout.columns, 100),
      getErrHelpWidth: () => Math.min(host.stderr.columns, 100),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError("(see --help)");
  for (const child of command.commands) prepared(child, host);
}

const overviewHelp = `
Examples:
  openclaw-worker up                        start everything on this computer
  openclaw-worker run 'git status'          run a command, with its output and exit code
  openclaw-worker read notes.md             print a file of the workspace
  openclaw-worker doctor                    what is wrong, and what to do

Where the server is: --url and --token-file, else WORKER_URL and WORKER_TOKEN, else what \`up\` wrote.

Exit codes: the program's own; 124 timeout, 126 refused by the policy, 130 cancelled;
1 a failure of ours, 2 wrong usage, 69 the server cannot be reached.
`;
