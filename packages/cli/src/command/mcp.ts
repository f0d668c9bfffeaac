import { Command, InvalidArgumentError } from "commander";
import { messageOf } from "@openclaw-worker/base";
import { findConnection } from "../connection.ts";
import { connect } from "../deliver.ts";
import type { End } from "../end.ts";
import { exitCodes, Failure } from "../failure.ts";
import type { Host } from "../host.ts";
import { withAskFlags, type AskFlags } from "../task-flags.ts";

interface McpFlags extends AskFlags {
  readonly http?: number;
}

export function define(host: Host, end: End): Command {
  return withAskFlags(new Command("openclaw-worker mcp"))
    .description(
      "Serves the Model Context Protocol: an agent (Claude Code, Claude Desktop, Codex, …) gets tools\n" +
        "that run commands and use files on the worker's computer, under its policy.",
    )
    .option("--http <port>", "serve streamable HTTP at 127.0.0.1 instead of stdio", port)
    .addHelpText("after", help)
    .action(async (flags: McpFlags) => {
      using client = connect(host, flags);
      const desk = { client, clock: host.clock };
      const onError = (error: Error): void => host.stderr.write(`${messageOf(error)}\n`);
      const { serveOverHttp, serveOverStdio } = await import("@openclaw-worker/mcp");
      if (flags.http === undefined) {
        await serveOverStdio(desk, { ...host.pipes(), onError }, host.signal);
        return end(exitCodes.ok);
      }
      const { token } = findConnection(host, flags);
      const onListening = (url: string): void =>
        host.stderr.write(`MCP at ${url}; clients send the server's token as a bearer token\n`);
      const options = { port: flags.http, token, onError, onListening };
      await serveOverHttp(desk, options, host.signal).catch((cause: unknown) => {
        throw new Failure("MCP cannot be served over HTTP", {
          why: messageOf(cause),
          remedy: "Give another port: --http 0 takes any that is free.",
          cause,
        });
      });
      end(exitCodes.ok);
    });
}

function port(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError("Must be a port: 0 to 65535.");
}

const help = `
Examples:
  openclaw-worker mcp                                          spoken over stdio: agents start it themselves
  claude mcp add my-computer -- openclaw-worker mcp            for Claude Code
  codex mcp add my-computer -- openclaw-worker mcp             for Codex
  openclaw-worker mcp --http 8931                              at http://127.0.0.1:8931/mcp
`;
