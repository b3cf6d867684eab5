// Runs the conformance suite of Connect, which also covers gRPC and gRPC-Web, against the port and the handler of Helios.
// Usage: npm run test:conformance [-- mode…], where a mode is the name of a file in tests/conformance/config. Needs Go.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { checkGenerated } from "./generate.ts";
import { ROOT, suiteProgram } from "./suite.ts";
import { measuresTime, nameOf, readVerdict, type Verdict } from "./verdict.ts";

const CONFIGS = join(ROOT, "tests/conformance/config");
const SERVER = join(ROOT, "tests/conformance/server.ts");
/** Servers that are started and tested at the same time. */
const SERVERS = 2;
/** Failures that are printed for each mode; after those, their number says enough. */
const MOST_PRINTED = 30;
/** How often failed cases that measure time are run again. */
const RERUNS = 3;
const MODES = readdirSync(CONFIGS).map((file) => file.replace(".yaml", ""));

interface Run {
  readonly verdict: Verdict;
  /** What the servers have logged. */
  readonly logged: string;
}

/** Runs the cases of one mode, or only those with these names. */
async function run(program: string, mode: string, names: readonly string[] = []): Promise<Run> {
  const options = ["--mode", "server", "--conf", join(CONFIGS, `${mode}.yaml`), "--max-servers", String(SERVERS)];
  const only = names.flatMap((name) => ["--run", name]);
  const suite = spawn(program, [...options, ...only, "--", process.execPath, SERVER], {
    stdio: ["ignore", "pipe", "pipe"],
    // Every server starts with what the first one has compiled. The suite waits for a server for 10 s at most.
    env: { ...process.env, NODE_COMPILE_CACHE: join(ROOT, "node_modules/.cache/compiled") },
  });
  const [printed, logged] = await Promise.all([text(suite.stdout), text(suite.stderr), once(suite, "close")]);
  try {
    return { verdict: readVerdict(printed), logged };
  } catch (error) {
    throw new Error(`${mode}: ${String(error)}\n${printed}\n${logged}`);
  }
}

/** Runs the cases of one mode, and prints a line about them. Returns whether the server conforms. */
async function conforms(program: string, mode: string): Promise<boolean> {
  const start = performance.now();
  const first = await run(program, mode);
  const { cases, withReason } = first.verdict;
  let { logged } = first;
  let { failures } = first.verdict;
  // Some cases measure real time, and fail if the machine is busy with something else. A fault of the server fails again.
  for (let again = 0; again < RERUNS && failures.length > 0 && failures.every(measuresTime); again += 1) {
    print(`${mode}: runs these cases again, which measure time:\n${failures.join("\n")}`);
    ({
      verdict: { failures },
      logged,
    } = await run(program, mode, failures.map(nameOf)));
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  print(
    `${mode}: ${cases} cases in ${seconds} s: ${cases - withReason - failures.length} passed, ${withReason} passed with an added reason, ${failures.length} failed`,
  );
  for (const failure of failures.slice(0, MOST_PRINTED)) print(failure);
  if (failures.length > MOST_PRINTED) print(`(and ${failures.length - MOST_PRINTED} more)`);
  if (failures.length > 0)
    print(`what the servers have logged last:\n${logged.split("\n").slice(-MOST_PRINTED).join("\n")}`);
  return failures.length === 0;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const asked = process.argv.slice(2);
const unknown = asked.filter((mode) => !MODES.includes(mode));
if (unknown.length > 0) throw new Error(`the mode must be one of ${MODES.join(", ")}, but is ${unknown.join(", ")}`);
const program = await suiteProgram();
await checkGenerated();
for (const mode of asked.length > 0 ? asked : MODES) {
  if (!(await conforms(program, mode))) process.exitCode = 1;
}
