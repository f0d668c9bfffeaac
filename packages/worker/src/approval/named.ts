// Which files a task runs, or replaces, as far as its words tell: what they hold belongs to what a
// person says yes to. Pure: whether a name is a file at all, the disk says later.

import path from "node:path";
import type { Placed } from "../job.ts";
import { analyze, analyzeArgv, type Analysis } from "../policy/command.ts";
import { expandHome } from "../policy/paths.ts";
import { knownName, movers, runsOthers, wrappers } from "../policy/programs.ts";

/**
 * Absolute names, each once: of every simple command at any depth its program, and all words of the
 * programs that run what their words name (shells, interpreters, wrappers, `make`). Data files are
 * not among them: the hash of a secret would tell something about it.
 */
export function filesNamed(placed: Placed, cwd: string, home: string): readonly string[] {
  switch (placed.kind) {
    case "command":
      return namedIn(analyze(placed.command), cwd, home);
    case "exec":
      return namedIn(analyzeArgv(placed.argv), cwd, home);
    case "file-write":
    case "file-edit":
      return [placed.path];
    case "file-read":
    case "file-list":
      return [];
  }
}

function namedIn(analysis: Analysis, cwd: string, home: string): readonly string[] {
  const folders = foldersOf(analysis, cwd, home);
  const names = new Set<string>();
  const add = (text: string): void => {
    // `--config=x`, `-fx`, `@x`: what stands behind may be the name.
    const texts = [text, text.slice(text.indexOf("=") + 1), text.replace(/^(?:-[^-]|@)/, "")];
    for (const name of texts) {
      if (name === "" || name.length > 4_096 || name.includes("\0")) continue;
      for (const folder of folders) names.add(path.resolve(folder, expandHome(name, home)));
    }
  };
  for (const words of analysis.commands) {
    const [first, ...rest] = words;
    const program = first?.text ?? null;
    if (program !== null && program.includes("/")) add(program);
    if (program !== null && !runsWhatItNames(program)) continue;
    for (const { text } of rest) if (text !== null) add(text);
  }
  for (const { use, target } of analysis.redirects) {
    // `bash < script`: what is fed to a program may be run.
    if (use === "read" && target.text !== null) add(target.text);
  }
  return [...names];
}

/** Where a relative name may start: the working folder, and each that the command changes to. */
function foldersOf(analysis: Analysis, cwd: string, home: string): readonly string[] {
  const chosen = analysis.commands.flatMap(([program, ...rest]) =>
    movers.has(program?.text ?? "")
      ? rest.flatMap(({ text }) =>
          text === null ? [] : [path.resolve(cwd, expandHome(text, home))],
        )
      : [],
  );
  return [...new Set([cwd, ...chosen])].slice(0, 8);
}

// `sh x`, `python x`, `env x`, `make -f x`, `. x`
function runsWhatItNames(program: string): boolean {
  return runsOthers(program) || wrappers.has(knownName(program)) || program.endsWith("make");
}
