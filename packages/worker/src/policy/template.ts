/**
 * The text of a first policy file (JSON with comments), for the given roots.
 * @param roots folders as they shall stand in the file: absolute or starting with `~/`
 */
export function policyTemplate(roots: readonly string[]): string {
  const lines = roots.map((root) => `    ${JSON.stringify(root)}`).join(",\n");
  return `{
  // The folders that tasks may read and write. Everything else is closed to them.
  // Never the whole disk, your home itself, or the worker's own folders.
  "roots": [
${lines}
  ],

  // What happens to a task that no rule names:
  //   "cage"  run it, caged in the roots, without network
  //   "ask"   ask a person first
  //   "deny"  refuse it
  "default": "cage"

  // Rules narrow it (deny, ask) or, with another default, widen it (allow). Try one first:
  //   openclaw-worker policy test 'git push'
  // A comma after "cage" above, then for example:
  // "rules": {
  //   "deny": ["Bash(sudo *)", "Read(**/.env*)"],
  //   "allow": ["Bash(git status)", "Bash(npm test)"]
  // }
}
`;
}
