import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMENT_OR_TEXT, filesBelow } from "./imports.ts";

const ROOT = join(import.meta.dirname, "../..");
/** The ways to wait for a real time: those of the platform and the kernel, and Node's promises of timers. */
const WAIT = /\bsetTimeout\(|\bAtomics\.wait\(|\bpause\(systemClock/;
const TIMERS = /^import .* from "(?:node:)?timers\/promises"/m;

/** The files that may wait, with the reason. */
const WAITING: Readonly<Record<string, string>> = {
  "tests/support/until.ts": "the pause between two looks at a condition, the one way in which tests wait",
  "tests/core/modules/traffic.ts": "callers leave the processors to the modules that they call",
  "tests/soak/wire/kill.test.ts": "writers run for a random time before the service is killed",
  "tests/nodes/front.ts": "a network that resets connections late",
  "tests/nodes/survivor.ts": "limits of a client's process, which has no test's timeout under `npm run test:nodes`",
  "tests/nodes/run.ts": "a service that is stopped for some time",
  "tests/clients/connection/connection.test.ts":
    "the client measures by the machine's clock how long a session is idle",
  "tests/wire/spans.test.ts":
    "a timer of the platform that cannot hold its time expires after 1 ms, which must not happen",
};

/** Texts do not count: they are the sources of modules under test, whose methods take time. */
function waits(text: string): boolean {
  const code = text.replace(COMMENT_OR_TEXT, (part) => (part.startsWith("/") ? " " : '""'));
  return WAIT.test(code) || TIMERS.test(text);
}

describe("tests and their helpers", () => {
  it("wait for conditions, and not for a fixed time", () => {
    // The fixtures are modules and programs under test.
    const files = filesBelow(ROOT, "tests").filter(
      (path) => path.endsWith(".ts") && !path.startsWith("tests/fixtures/"),
    );
    expect(files.length).toBeGreaterThan(300);
    const found = files.filter((path) => waits(readFileSync(join(ROOT, path), "utf8")));
    expect(found.toSorted()).toEqual(Object.keys(WAITING).toSorted());
  });
});

describe("the search for waits", () => {
  it.each([
    ["a timer", "await new Promise((resolve) => setTimeout(resolve, 10));", true],
    ["Node's promise of a timer", 'import { setTimeout as later } from "node:timers/promises";', true],
    ["the kernel's pause in real time", "await pause(systemClock, 10);", true],
    ["a pause by the clock of a test", "await pause(clock, 10);", false],
    ["the source of a module", "const source = `setTimeout(tick, 1)`;", false],
    ["a comment", "// setTimeout(resolve, 10)", false],
  ])("judges %s", (_, text, expected) => {
    expect(waits(text)).toBe(expected);
  });
});
