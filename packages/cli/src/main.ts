#!/usr/bin/env node
/** `kavach`: the command of those who run a cluster. Each group of commands is a file; this one says what they have in common. */
import { SYSTEM_CLOCK } from "@kavach/system";
import { Command, CommanderError } from "commander";
import { auditCommand } from "./audit.ts";
import { keysCommand } from "./keys.ts";

const print = (line: string) => console.log(line);
// Over itself where somebody looks; line by line where it is kept.
const progress = (line: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
  else if (line !== "") process.stderr.write(`${line}\n`);
};

// Where nobody reads any more, the exit status still says what was found.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

const program = new Command("kavach")
  .description("Kavach: keys and audit logs of a cluster")
  .addCommand(keysCommand({ clock: SYSTEM_CLOCK, print }))
  .addCommand(auditCommand({ print, progress }));

for (const command of withCommands(program)) command.showHelpAfterError("(add --help for what there is)");

function withCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withCommands)];
}

program.parseAsync().catch((error: unknown) => {
  process.exitCode = (error as { readonly exitCode?: number }).exitCode ?? 1;
  // The parser of options has said it already.
  if (error instanceof CommanderError) return;
  // An error with a code is for the person at the keyboard; any other is a fault of the program.
  const expected = error instanceof Error && "code" in error;
  process.stderr.write(
    `kavach: ${error instanceof Error ? (expected ? error.message : error.stack) : String(error)}\n`,
  );
});
