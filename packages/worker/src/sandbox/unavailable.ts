/** The cage is not in force, so the worker takes no tasks. `remedy` is a line a person can act on. */
export class CageUnavailable extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CageUnavailable";
    this.remedy = remedy;
  }
}

/** What a person does about a bubblewrap that could not build a cage, judged by what it printed. */
export function remedyFor(printed: string): string {
  if (/namespace|uid map|gid map|userns|Operation not permitted/i.test(printed)) {
    return (
      "Allow unprivileged user namespaces: sudo sysctl -w user.max_user_namespaces=15000 " +
      "(on Debian also kernel.unprivileged_userns_clone=1, on Ubuntu 24.04 and later " +
      "kernel.apparmor_restrict_unprivileged_userns=0)"
    );
  }
  if (/Unknown option/i.test(printed)) {
    return "Upgrade bubblewrap, where need be with your system: this one is too old for a cage";
  }
  if (/No such file or directory/i.test(printed)) {
    return "Make the folders that the policy names as roots, then start the worker again";
  }
  return "Run: openclaw-worker doctor";
}

export const aptRemedy = "Install the cage's tools: sudo apt-get install bubblewrap socat ripgrep";
