// The first evaluation of a process: `node bench/conditions/cold.ts KIND`, with its program in the standard input. Loads no
// more than the interpreter, so that a process takes little.
import { readFileSync } from "node:fs";
import { checkContext } from "../../src/core/flags/rules/context.ts";
import { CONTEXT_VARIABLES } from "../../src/kernel/flags/condition/flag.ts";
import { interpreterOf } from "../../src/kernel/flags/condition/interpret.ts";
import { programFrom } from "./transfer.ts";
import { WORST } from "./worst.ts";

const kind = WORST[Number(process.argv[2])];
if (kind === undefined) throw new Error(`there is no kind ${process.argv[2]}`);
const evaluate = interpreterOf(programFrom(readFileSync(0, "utf8")), CONTEXT_VARIABLES);
// As it comes off the wire: texts that are in one piece.
const context = JSON.parse(JSON.stringify(kind.context())) as ReturnType<typeof kind.context>;
// As every call does before it evaluates.
checkContext(context);

/** ms of the processor that this thread has used. The system counts them up to when the thread has last waited. */
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
