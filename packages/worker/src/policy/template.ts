/**
 * The text of a first policy file (JSON with comments), for the given roots.
 * @param roots folders as they shall stand in the file: absolute or starting with `~/`
 */
export function policyTemplate(roots: readonly string[]): string {
  const lines = roots.map((root) => `    ${JSON.stringify(root)}`).join(",\n");
  return `{
  // What tasks may do on this computer. The worker reads this file when it changes; nothing that
  // comes over the network can change it. After an edit:  openclaw-worker policy check

  // The folders that tasks may read and write. Everything else is closed to them.
  // Never the whole disk, your home itself, or the worker's own folders.
  "roots": [
${lines}
  ],

  // What happens to a task that no rule names:
  //   "cage"  run it, caged in the roots, without network
  //   "ask"   ask a person first (openclaw-worker approvals); without a yes it is refused
  //   "deny"  refuse it
  "default": "cage",

  // deny wins over ask, ask over allow, allow over the default. Try one before you write it:
  //   openclaw-worker policy test 'git push'
  "rules": {
    // Closed in the cage too, whatever a command does to get there. The first three lie outside of
    // the roots: these lines keep them closed when you open more.
    "deny": [
      "Read(~/.ssh/**)",
      "Read(~/.gnupg/**)",
      "Read(~/.aws/**)",
      "Read(**/.env)",
      "Read(**/.env.local)",
      "Read(**/.env.production)"
    ],

    // A person is asked (openclaw-worker approvals), for example about
    //   "Bash(git push *)"
    //   { "rule": "Bash(npm publish *)", "trust": ["local"] }   only a yes at this computer counts
    "ask": [],

    // What opens more. For example
    //   "WebFetch(domain:api.example.com)"      this one domain, and nothing else on the network
    //   "Read(~/Documents/notes/**)"            a folder to read besides the roots
    //   "Bash(npm test)"                        where the default is "ask" or "deny"
    "allow": []
  }
}
`;
}
