// Options and words that make a harmless program run another one, or write where its name does not
// say. A rule with a free rest (`git log *`) does not allow them: the answer is "ask".
//
// Judged generously: an abbreviation counts (`--out` for `--output`), a letter counts wherever it
// stands in a bundle (`-no`), and an option's value is not told apart from an option.

import { list, type Danger } from "./danger-shape.ts";

const compiler: Danger = {
  short: "oB",
  words: list("-wrapper -specs -fplugin -load -Xclang -MF -MD -dumpdir -save-temps"),
  starts: list("@ -fplugin= -specs= -Wl, -Wp, -Wa,"),
  long: list("output specs config plugin sysroot"),
};
const packageRunner: Danger = {
  commands: list(
    "exec x dlx explore init create run-in config c set publish login edit install-test rebuild rb " +
      "env setup node plugin",
  ),
  short: "cC",
  long: list(
    "call script-shell shell prefix userconfig globalconfig node-options git cwd dir use-yarnrc",
  ),
};
const environmentRunner: Danger = {
  commands: list("run exec tool x shell config self pip install add"),
  long: list("config directory project with from"),
};
const container: Danger = {
  commands: list(
    "run exec build buildx create start cp load import commit push login plugin context swarm attach " +
      "debug apply edit proxy port-forward delete patch replace set config export up",
  ),
  depth: 2,
  short: "Hc",
  long: list("host config context kubeconfig"),
};
const netcat: Danger = {
  short: "eclomx",
  long: list("exec sh-exec lua-exec listen output hex-dump"),
};
const viewer: Danger = { long: list("pager map-syntax config-file"), commands: ["cache"] };
const git: Danger = {
  before: {
    short: "cp",
    long: list("exec-path config-env paginate git-dir work-tree namespace super-prefix"),
  },
  long: list(
    "output output-directory ext-diff textconv upload-pack receive-pack exec open-files-in-pager " +
      "extcmd template config config-env separate-git-dir run-command sendmail-cmd smtp-server " +
      "to-cmd cc-cmd header-cmd",
  ),
  starts: list("ext:: fd::"),
  commands: list(
    "config bisect submodule filter-branch difftool mergetool daemon instaweb hook send-email " +
      "credential shell gui citool web--browse help request-pull p4 svn cvsserver http-backend " +
      "upload-pack receive-pack upload-archive remote-ext remote-fd fast-import maintenance " +
      "verify-commit verify-tag",
  ),
  under: {
    clone: { short: "uc" },
    grep: { short: "O" },
    rebase: { short: "x" },
    "format-patch": { short: "o" },
    archive: { short: "o" },
    // An editor, or a program that the repository's configuration names.
    branch: { long: ["edit-description"] },
    commit: { short: "eS", long: ["edit", "gpg-sign"] },
    merge: { short: "eS", long: ["edit", "gpg-sign"] },
    notes: { words: list("edit add append") },
    replace: { long: list("edit convert-graft-file") },
    revert: { short: "eS", long: ["edit", "gpg-sign"] },
    tag: { short: "sua", long: list("sign annotate local-user verify") },
    "cat-file": { long: ["filters"] },
  },
};

const texPrograms = list("tex latex pdftex pdflatex xetex xelatex luatex lualatex etex latexmk");
const tex: Danger = {
  words: list(
    "-shell-escape -enable-write18 -output-directory -output-dir -lua -pdflatex -latex -r -e " +
      "-usepretex -luaonly -cnf-line -fmt -progname",
  ),
  long: list(
    "shell-escape enable-write18 output-directory lua cnf-line fmt progname luaonly pdflatex latex",
  ),
};

/** Program → what is dangerous in it. By its last name, without a version. */
export const dangers: ReadonlyMap<string, Danger> = new Map<string, Danger>([
  ["[", { words: list("-v -R") }],
  ["7z", { starts: list("-o -w -si @") }],
  ...texPrograms.map((name): [string, Danger] => [name, tex]),
  ["ack", { long: list("pager output ackrc") }],
  ["ag", { short: "z", long: list("pager search-zip") }],
  ["ar", { long: list("plugin output") }],
  ["bat", viewer],
  ["batcat", viewer],
  ["bundle", environmentRunner],
  ["c++", compiler],
  ["cabal", { commands: list("exec run repl v2-exec v2-run install") }],
  [
    "cargo",
    {
      commands: list("run install r config publish login"),
      short: "CZ",
      starts: ["+"],
      long: list("config manifest-path target-dir artifact-dir out-dir"),
    },
  ],
  ["cc", compiler],
  ["clang", compiler],
  ["clang++", compiler],
  ["cmake", { short: "PECDG", long: list("build install open script workflow toolchain") }],
  ["conda", environmentRunner],
  ["cpio", { short: "oipFIEOH", long: list("rsh-command extract create pass-through") }],
  ["csplit", { short: "f", long: ["prefix"] }],
  ["ctest", { short: "SDI", long: list("build-and-test test-command script") }],
  [
    "curl",
    {
      short: "oOKTcDEFJbdxU",
      long: list(
        "output remote-name remote-name-all output-dir config upload-file cookie cookie-jar " +
          "dump-header cert key data form json unix-socket abstract-unix-socket proxy preproxy " +
          "netrc-file trace trace-ascii stderr libcurl engine etag-save hsts alt-svc write-out " +
          "create-dirs egd-file random-file doh-url connect-to resolve dns-servers",
      ),
    },
  ],
  ["date", { short: "sf", long: list("set file") }],
  ["dd", { starts: list("of= if=") }],
  ["delta", viewer],
  ["docker", container],
  ["docker-compose", container],
  [
    "dotnet",
    { commands: list("run exec tool build test publish script fsi"), starts: ["-p:", "/p:"] },
  ],
  [
    "eslint",
    {
      short: "co",
      long: list(
        "config rulesdir plugin parser resolve-plugins-relative-to output-file format fix init " +
          "cache-location flag",
      ),
    },
  ],
  ["exiftool", { words: list("-config -if -w -o -execute -api"), starts: list("-@ -w -o") }],
  ["fd", { short: "xX", long: list("exec exec-batch") }],
  ["ffmpeg", { operandsMax: 0 }],
  ["file", { short: "Cmz", long: list("compile magic-file uncompress") }],
  [
    "find",
    {
      words: list("-exec -execdir -ok -okdir -delete -fprint -fprint0 -fprintf -fls -files0-from"),
    },
  ],
  ["flatpak", { commands: list("run install enter build override") }],
  ["g++", compiler],
  ["gcc", compiler],
  [
    "gh",
    {
      commands: list("alias extension ext api config codespace cs auth run workflow browse secret"),
    },
  ],
  ["git", git],
  [
    "go",
    {
      commands: list("run generate tool install env"),
      words: list(
        "-exec --exec -toolexec --toolexec -o --o -overlay --overlay -modfile -vettool --vettool -C " +
          "-w -pkgdir -coverprofile -cpuprofile -memprofile -outputdir -ldflags -gcflags -asmflags " +
          "-gccgoflags -compiler",
      ),
    },
  ],
  ["gpg", { short: "o", long: list("output exec-path photo-viewer options keyserver homedir") }],
  ["gradle", { short: "bcIpDPg", long: list("build-file settings-file init-script project-dir") }],
  ["heroku", { commands: list("run local config plugins") }],
  [
    "hg",
    { long: list("config cwd repository ssh remotecmd tool"), commands: list("extdiff serve") },
  ],
  ["hostname", { operandsMax: 0, short: "Fb", long: list("file boot") }],
  ["iconv", { short: "o", long: ["output"] }],
  ["incus", container],
  ["install", { long: ["strip-program"] }],
  ["ip", { short: "b", words: list("exec netns vrf"), long: ["batch"] }],
  ["journalctl", { long: list("root directory file vacuum-size vacuum-time rotate cursor-file") }],
  ["jq", { short: "fL", long: list("from-file library-path") }],
  ["kubectl", container],
  ["ld", { short: "oBT", long: list("output plugin script dynamic-linker") }],
  ["lxc", container],
  [
    "make",
    {
      short: "fCIEo",
      long: list("file makefile directory include-dir eval old-file assume-old"),
      assignments: true,
    },
  ],
  ["mamba", environmentRunner],
  [
    "man",
    { short: "PHCMBErS", long: list("pager html browser config-file preprocessor troff-device") },
  ],
  [
    "mvn",
    { short: "fsgD", long: list("file settings global-settings toolchains"), starts: ["exec:"] },
  ],
  ["nc", netcat],
  ["ncat", netcat],
  ["ncdu", { short: "eofX", long: ["exclude-from"] }],
  ["nerdctl", container],
  ["netcat", netcat],
  ["ninja", { short: "fCt" }],
  ["nm", { long: ["plugin"], starts: ["@"] }],
  ["nmap", { short: "o", words: ["-iL"], long: list("script datadir script-args stylesheet") }],
  ["npm", packageRunner],
  ["objcopy", { operandsMax: 0 }],
  ["objdump", { long: ["plugin"], starts: ["@"] }],
  ["oc", container],
  ["openssl", { words: list("-engine -provider -provider-path -out -writerand -config -keyout") }],
  [
    "pandoc",
    { short: "FLo", long: list("filter lua-filter output pdf-engine extract-media data-dir") },
  ],
  ["patch", { short: "oriedBD", long: list("output reject-file input ed directory prefix") }],
  ["pdm", environmentRunner],
  [
    "pip",
    {
      commands: list("install download wheel config"),
      long: list("index-url extra-index-url python log target proxy cert"),
    },
  ],
  ["pnpm", packageRunner],
  ["podman", container],
  ["poetry", environmentRunner],
  ["prettier", { short: "w", long: list("plugin config write plugin-search-dir parser") }],
  ["printf", { short: "v" }],
  ["pytest", { short: "pco", long: list("override-ini rootdir confcutdir basetemp config-file") }],
  ["rg", { short: "z", long: list("pre hostname-bin search-zip") }],
  [
    "rsync",
    {
      short: "eMT",
      long: list(
        "rsh rsync-path remote-option daemon config log-file write-batch only-write-batch read-batch " +
          "files-from temp-dir backup-dir partial-dir password-file copy-as early-input " +
          "remove-source-files delete",
      ),
    },
  ],
  ["rustup", environmentRunner],
  ["scp", { short: "oSFDJi" }],
  ["sed", { scripts: "sed", short: "if", long: list("in-place file follow-symlinks") }],
  ["shuf", { short: "o", long: list("output random-source") }],
  ["snap", { commands: list("run install try connect set") }],
  ["sort", { short: "oST", long: list("output compress-program files0-from temporary-directory") }],
  ["split", { long: ["filter"] }],
  ["stack", { commands: list("exec run runghc ghci script eval setup") }],
  ["strings", { short: "T", starts: ["@"] }],
  ["strip", { short: "o", long: list("output plugin") }],
  ["svn", { long: list("config-option config-dir diff-cmd diff3-cmd editor-cmd merge-tool") }],
  ["swift", { commands: list("run repl -frontend"), long: ["toolchain"] }],
  ["systemctl", { short: "HM", long: list("host machine root image"), commands: ["edit"] }],
  [
    "tar",
    {
      bundleFirst: true,
      short: "IFPC",
      long: list(
        "checkpoint-action checkpoint to-command use-compress-program info-script new-volume-script " +
          "rsh-command rmt-command absolute-names directory transform xform index-file " +
          "listed-incremental volno-file one-top-level",
      ),
      starts: ["@"],
    },
  ],
  ["tcpdump", { short: "zwWGCFVr" }],
  ["test", { words: list("-v -R") }],
  ["tree", { short: "oR", long: ["fromfile"] }],
  ["tsc", { short: "pbw", long: list("project outDir outFile build watch") }],
  ["tshark", { short: "wXrb" }],
  ["uniq", { operandsMax: 1 }],
  ["unzip", { short: "do" }],
  ["uv", environmentRunner],
  ["vagrant", { commands: list("ssh up provision plugin powershell winrm") }],
  [
    "wget",
    {
      short: "OoaePiB",
      long: list(
        "output-document output-file append-output execute directory-prefix input-file config " +
          "post-file post-data body-file body-data use-askpass warc-file rejected-log save-cookies " +
          "load-cookies ca-certificate certificate private-key hsts-file",
      ),
    },
  ],
  ["xxd", { operandsMax: 1 }],
  ["yarn", packageRunner],
  ["yq", { short: "isf", long: list("inplace split-exp split-exp-file from-file") }],
  ["zip", { short: "TmOdU", long: list("unzip-command test move output-file delete") }],
]);

/** Other names of the same programs. */
export const sameAs: ReadonlyMap<string, string> = new Map([
  ["7za", "7z"],
  ["7zz", "7z"],
  ["bmake", "make"],
  ["bsdtar", "tar"],
  ["fdfind", "fd"],
  ["gdate", "date"],
  ["gfind", "find"],
  ["ginstall", "install"],
  ["gmake", "make"],
  ["gpg2", "gpg"],
  ["gradlew", "gradle"],
  ["gsed", "sed"],
  ["gsort", "sort"],
  ["gtar", "tar"],
  ["mvnw", "mvn"],
  ["py.test", "pytest"],
  ["samu", "ninja"],
]);
