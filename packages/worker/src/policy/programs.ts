// What is known about programs that run other programs: data, read by unwrap.ts and allow.ts.

/** How the words of a program lead to the command that it runs. */
export interface Wrapper {
  /** Words that stand before the command and are neither options nor their values. */
  readonly operands: number;
  /** It puts its words together and gives them to a shell. */
  readonly joins?: true;
  /** It adds words of its own that nobody sees here. */
  readonly feeds?: true;
}

const plain: Wrapper = { operands: 0 };
const one: Wrapper = { operands: 1 };
const two: Wrapper = { operands: 2 };
const shellWords: Wrapper = { operands: 0, joins: true };
const remote: Wrapper = { operands: 1, joins: true };

/** Programs (and words of the shell) whose words are, or hold, another command. */
export const wrappers: ReadonlyMap<string, Wrapper> = new Map([
  ...(
    "arch asdf-exec builtin bunx busybox bwrap caffeinate catchsegv choom chpst command concurrently " +
    "coproc corepack cpulimit cross-env daemonize dbus-launch dbus-run-session direnv doas " +
    "dotenv dumb-init entr env exec fakechroot fakeroot firejail flatpak-spawn gdb gosu hyperfine " +
    "i386 ionice linux32 linux64 ltrace memusage ncat nc netcat nice nodemon nohup npx nsenter " +
    "numactl perf pkexec proot proxychains proxychains4 rlwrap rr run-one sandbox-exec script " +
    "setarch setpriv setsid start-stop-daemon stdbuf strace sudo sudoedit systemd-inhibit " +
    "systemd-run time tini toybox torsocks tsocks unbuffer unshare valgrind x86_64 " +
    "xvfb-run ssh-agent s6-setuidgid setuidgid capsh noglob nocorrect winpty gtime gnice gnohup " +
    "gstdbuf genv doit tsx-exec trickle eatmydata faketime softlimit"
  )
    .split(" ")
    .map((name) => [name, plain] as const),
  ...(
    "bundle chroot chrt flock gtimeout gchroot mise nix nix-shell pdm pipenv pipx pnpm poetry " +
    "prlimit rbenv pyenv nodenv runuser rye sg su su-exec systemd-nspawn taskset timeout uv uvx " +
    "yarn npm bun deno-task hatch conda mamba micromamba asdf volta nvm fnm rustup distrobox toolbox " +
    "vagrant cargo go dotnet swift stack cabal opam apptainer singularity"
  )
    .split(" ")
    .map((name) => [name, one] as const),
  ...(
    "docker podman nerdctl kubectl oc lxc incus docker-compose machinectl multipass colima limactl " +
    "crictl ctr buildah heroku flatpak snap"
  )
    .split(" ")
    .map((name) => [name, two] as const),
  ..."eval watch trap gwatch screen tmux dtach abduco"
    .split(" ")
    .map((name) => [name, shellWords] as const),
  ..."ssh mosh rsh slogin dbclient autossh sshpass et"
    .split(" ")
    .map((name) => [name, remote] as const),
  ["xargs", { operands: 0, feeds: true }],
  ["gxargs", { operands: 0, feeds: true }],
  ["parallel", { operands: 0, joins: true, feeds: true }],
  ["sem", { operands: 0, joins: true, feeds: true }],
]);

/** Shells: a text after -c, a file, or what comes on standard input is run. */
export const shells: ReadonlySet<string> = new Set(
  "sh bash rbash dash ash zsh ksh ksh93 mksh lksh pdksh yash posh fish csh tcsh elvish nu xonsh pwsh rc es hush".split(
    " ",
  ),
);

/** Options whose words, up to `;` or `+`, are a command. */
export const commandOptions: ReadonlyMap<string, readonly string[]> = new Map([
  ["find", ["-exec", "-execdir", "-ok", "-okdir"]],
  ["gfind", ["-exec", "-execdir", "-ok", "-okdir"]],
  ["fd", ["-x", "-X", "--exec", "--exec-batch"]],
  ["fdfind", ["-x", "-X", "--exec", "--exec-batch"]],
  ["git", ["run", "foreach", "--exec", "-x", "--tree-filter", "--index-filter"]],
  ["rg", ["--pre"]],
  ["tar", ["-I", "--use-compress-program", "--to-command"]],
  ["bsdtar", ["--use-compress-program"]],
  ["make", ["--eval"]],
  ["jobs", ["-x"]],
]);

/** Programs that take a language of their own: what they run cannot be seen in their words. */
export const interpreters: ReadonlySet<string> = new Set(
  (
    "python python2 python3 pypy pypy3 ipython perl perl5 ruby irb jruby node nodejs deno bun tsx " +
    "ts-node php lua luajit tclsh wish expect r rscript julia ghc runghc runhaskell ocaml racket " +
    "guile sbcl clisp clojure clj scala groovy kotlin java jshell javaw dotnet-script mono erl " +
    "escript elixir iex awk gawk mawk nawk busybox-awk goawk jq-repl sqlite3 sqlite psql mysql " +
    "mariadb mongo mongosh redis-cli duckdb osascript powershell cmd wine wsl m4 bc dc ed ex vi " +
    "vim nvim view vimdiff emacs emacsclient nano pico joe micro less more most lesspipe man-pager " +
    "gdb lldb sftp ftp lftp telnet socat openssl-repl gnuplot octave maxima matlab troff groff " +
    "ld.so ldd at batch crontab cron run-parts make-eval ansible ansible-playbook salt fzf dialog " +
    "whiptail rlwrap screen tmux tcc gforth forth awka xdotool xdg-open open nsh luac swipl prolog"
  ).split(" "),
);

/**
 * Words of the shell that change what later words mean, or read text as code: an allow rule for
 * one of these, with a free rest, would be one for every command.
 */
const shellState: ReadonlySet<string> = new Set(
  (
    ". source alias unalias bind compgen complete compopt declare enable export fc getopts hash " +
    "history jobs let local mapfile read readarray readonly set shopt trap typeset unset wait"
  ).split(" "),
);

/** Words of the shell that change the folder that later names start at. */
export const movers: ReadonlySet<string> = new Set(["cd", "chdir", "pushd", "popd"]);

/** The last name of a path: `/usr/bin/sudo` is `sudo`. */
export function baseName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1);
}

/**
 * The name under which a program stands in these tables: without its folder, its version
 * (`python3.11`) and its extension.
 */
export function knownName(program: string): string {
  const name = baseName(program)
    .toLowerCase()
    .replace(/\.exe$/, "");
  if (/^ld(?:-linux[\w.-]*|-musl[\w.-]*|\.so[\w.-]*|64\.so[\w.-]*)$/.test(name)) return "ld.so";
  if (isListed(name)) return name;
  const bare = name.replace(/-?\d+(?:\.\d+)*$/, "");
  return isListed(bare) ? bare : name;
}

function isListed(name: string): boolean {
  return wrappers.has(name) || shells.has(name) || interpreters.has(name);
}

/** Runs something that its words do not show: never allowed with a free rest. */
export function runsOthers(program: string): boolean {
  const name = knownName(program);
  return (
    shells.has(name) ||
    interpreters.has(name) ||
    shellState.has(program) ||
    (wrappers.has(name) && !toolkits.has(name))
  );
}

// Their subcommands are what a person names in a rule (`npm run *`); those that start any program
// are in the table of dangers.
const toolkits: ReadonlySet<string> = new Set(
  (
    "npm pnpm yarn cargo go dotnet swift stack cabal docker podman nerdctl kubectl oc uv poetry pdm " +
    "bundle conda mamba rustup docker-compose flatpak snap lxc incus heroku vagrant nc ncat netcat"
  ).split(" "),
);
