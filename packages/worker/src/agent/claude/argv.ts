// How claude is started: its options and its environment.

/** What one task asks of Claude. */
export interface ClaudeWish {
  /** Absolute path of the user's own, unmodified program. */
  readonly program: string;
  readonly prompt: string;
  /** A UUID. `resume`: it is there already, and `cwd` is the folder that it was begun in. */
  readonly sessionId: string;
  readonly resume: boolean;
  /** Absolute folder to work in. */
  readonly cwd: string;
  /** All the variables that the program gets: environment.ts makes them. */
  readonly env: Readonly<Record<string, string>>;
  readonly model?: string | undefined;
  /** Taken when the model is overloaded. */
  readonly fallbackModel?: string | undefined;
  readonly maxTurns?: number | undefined;
  readonly maxBudgetUsd?: number | undefined;
  /** More for the system prompt, behind our own words. */
  readonly instructions?: string | undefined;
  /** Running time; waiting for a decision does not count. */
  readonly timeoutMs: number;
  /** Longest silence of the model; time in tools and in decisions does not count. */
  readonly silenceMs?: number | undefined;
}

// Each of these can change something outside of Claude's own memory. A rule that asks about them
// stands above the user's own `allow`, so a call that slips past our hook (a hook that fails says
// nothing) is asked about on the same channel, and refused when nobody is there to answer.
const askedAlways = [
  "Agent",
  "Bash",
  "Edit",
  "Glob",
  "Grep",
  "NotebookEdit",
  "PowerShell",
  "Read",
  "Skill",
  "Task",
  "WebFetch",
  "WebSearch",
  "Write",
];

const houseRules =
  "Nobody sits at this terminal: the request came through OpenClaw Worker. This computer's policy " +
  "decides about every tool call. When it refuses one, say so and what would allow it; do not look " +
  "for another way to the same end. If the working folder has a CLAUDE.md, read it before you begin.";

/**
 * The command line. Every value is an argument of its own, in the form `--option=value`, so none can
 * be taken for an option; the prompt is not here at all.
 */
export function argvOf(wish: ClaudeWish): readonly string[] {
  const { instructions } = wish;
  const optional = (name: string, value: string | number | undefined): readonly string[] =>
    value === undefined ? [] : [`${name}=${value}`];
  return [
    wish.program,
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--permission-prompt-tool=stdio",
    "--permission-mode=default",
    // A repository's own settings start programs (hooks, .mcp.json) before any tool is called.
    "--setting-sources=user",
    `--settings=${JSON.stringify({ disableAllHooks: false, permissions: { ask: askedAlways } })}`,
    `--append-system-prompt=${instructions === undefined ? houseRules : `${houseRules}\n\n${instructions}`}`,
    wish.resume ? `--resume=${wish.sessionId}` : `--session-id=${wish.sessionId}`,
    ...optional("--model", wish.model),
    ...optional("--fallback-model", wish.fallbackModel),
    ...optional("--max-turns", wish.maxTurns),
    ...optional("--max-budget-usd", wish.maxBudgetUsd),
  ];
}
