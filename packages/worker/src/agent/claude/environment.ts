// The variables that claude gets. Its tools hand them on to every command that they start.

// Who and where, and how to get out through a company's proxy. The parent's own ANTHROPIC_* and
// CLAUDE* are not here: a worker that is itself started by an agent would hand on that agent's.
const allowedNames =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|XDG_[A-Z]+_HOME|(?:https?|no|all)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(?:FILE|DIR))$/i;

// A background shell would be ended with the task, and an answer would come before its end.
const own: Readonly<Record<string, string>> = {
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  CLAUDE_CODE_MAX_RETRIES: "3",
  DISABLE_AUTOUPDATER: "1",
  // Without it a fallback model is only taken for some models.
  FALLBACK_FOR_ALL_PRIMARY_MODELS: "1",
  TERM: "dumb",
};

export interface ClaudeSurroundings {
  /** The worker's own environment, or its login shell's: a few harmless names of it pass. */
  readonly base: Readonly<Record<string, string | undefined>>;
  /** What the worker's owner sets for this agent, such as CLAUDE_CODE_OAUTH_TOKEN. */
  readonly configured: Readonly<Record<string, string>>;
  /**
   * Absolute folder, there already, that only the worker's user can write. Claude puts our settings
   * into a file with a name that anybody can foretell: in a shared folder another user of this
   * computer could make it first, and so keep Claude from starting, or change what it says.
   */
  readonly temporary: string;
}

/** All the variables of a run. */
export function claudeEnvironment(around: ClaudeSurroundings): Readonly<Record<string, string>> {
  const passed = Object.entries(around.base).flatMap(([name, value]) =>
    value !== undefined && allowedNames.test(name) ? [[name, value] as const] : [],
  );
  const folder = { TMPDIR: around.temporary, CLAUDE_CODE_TMPDIR: around.temporary };
  return { ...Object.fromEntries(passed), ...own, ...around.configured, ...folder };
}
