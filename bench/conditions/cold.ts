// Measures the first evaluation of a process: `node bench/conditions/cold.ts KIND`, with the program on standard input.
// It loads only the interpreter, so that the process starts quickly.
import { readFileSync } from "node:fs";
import { checkContext } from "../../src/core/flags/rules/context.ts";
import { CONTEXT_VARIABLES } from "../../src/kernel/flags/condition/flag.ts";
import { interpreterOf } from "../../src/kernel/flags/condition/interpret.ts";
import { programFrom } from "./transfer.ts";
import { WORST } from "./worst.ts";

const kind = WORST[Number(process.argv[2])];
if (kind === undefined) throw new Error(`there is no kind ${process.argv[2]}`);
const evaluate = interpreterOf(programFrom(readFileSync(0, "utf8")), CONTEXT_VARIABLES);
// Parsed from JSON as in a request, so that strings are flat in memory.
const context = JSON.parse(JSON.stringify(kind.context())) as ReturnType<typeof kind.context>;
// Every call makes this check before it evaluates.
checkContext(context);

/** CPU time of this thread in ms. The system updates it only when the thread waits. */
function used(): number {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.1);
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

used();
const before = used();
const { value, failed, steps, bytes } = evaluate(context);
const ms = used() - before;
const outcome = `${failed?.kind ?? String(value)}, ${steps} steps, ${bytes} bytes`;
process.stdout.write(JSON.stringify({ ms, outcome }));
