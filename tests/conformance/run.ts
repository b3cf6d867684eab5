// Runs the conformance suite of Connect, which also covers gRPC and gRPC-Web, against the port and the handler of Helios.
// Usage: npm run test:conformance [-- mode…], where a mode is the name of a file in tests/conformance/config. Needs Go.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { checkGenerated } from "./generate.ts";
import { ROOT, suiteProgram } from "./suite.ts";
import { readVerdict } from "./verdict.ts";

const CONFIGS = join(ROOT, "tests/conformance/config");
const SERVER = join(ROOT, "tests/conformance/server.ts");
/** Servers that are started and tested at the same time. */
const SERVERS = 2;
/** Failures that are printed for each mode; after those, their number says enough. */
const MOST_PRINTED = 30;
const MODES = readdirSync(CONFIGS).map((file) => file.replace(".yaml", ""));

/** Runs the cases of one mode, and prints a line about them. Returns whether the server conforms. */
async function conforms(program: string, mode: string): Promise<boolean> {
  const start = performance.now();
  const config = join(CONFIGS, `${mode}.yaml`);
  const options = ["--mode", "server", "--conf", config, "--max-servers", String(SERVERS)];
  const suite = spawn(program, [...options, "--", process.execPath, SERVER], {
    stdio: ["ignore", "pipe", "pipe"],
    // Every server starts with what the first one has compiled. The suite waits for a server for 10 s at most.
    env: { ...process.env, NODE_COMPILE_CACHE: join(ROOT, "node_modules/.cache/compiled") },
  });
  const [printed, errors] = await Promise.all([text(suite.stdout), text(suite.stderr), once(suite, "close")]);
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  try {
    const { cases, passed, withReason, failures } = readVerdict(printed);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    print(
      `${mode}: ${cases} cases in ${seconds} s: ${passed} passed, ${withReason} passed with an added reason, ${failures.length} failed`,
    );
    for (const failure of failures.slice(0, MOST_PRINTED)) print(failure);
    if (failures.length > MOST_PRINTED) print(`(and ${failures.length - MOST_PRINTED} more)`);
    if (failures.length > 0) print(`what the servers have logged:\n${errors}`);
    return failures.length === 0;
  } catch (error) {
    print(`${mode}: ${String(error)}\n${printed}\n${errors}`);
    return false;
  }
}

const asked = process.argv.slice(2);
const unknown = asked.filter((mode) => !MODES.includes(mode));
if (unknown.length > 0) throw new Error(`the mode must be one of ${MODES.join(", ")}, but is ${unknown.join(", ")}`);
const program = await suiteProgram();
await checkGenerated();
for (const mode of asked.length > 0 ? asked : MODES) {
  if (!(await conforms(program, mode))) process.exitCode = 1;
}
