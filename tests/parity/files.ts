import { readTestFiles } from "../projects.ts";

/** Tests that start a server in their own process, and why to run them on the other path too would show nothing. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  "tests/wire/parity.test.ts": "It has both paths side by side.",
  "tests/wire/differential.test.ts": "The same.",
  "tests/wire/abuse/shared.test.ts": "It has calls of both paths on one connection.",
  "tests/wire/conditional.test.ts": "It calls over REST, which goes through Connect on both paths.",
  "tests/wire/rest.test.ts": "It calls over REST.",
  "tests/wire/lines.test.ts": "It tests logs and streams over REST.",
  "tests/wire/restore.test.ts": "It tests the store.",
};

/**
 * The tests that run on servers that pass every call to Connect too. A test that starts the server as a process of its own is not
 * one of them: that process has no tests/parity/setup.ts.
 */
export function parityFiles(): readonly string[] {
  const { serving, projects } = readTestFiles();
  return serving.filter((path) => projects.process.includes(path) && !Object.hasOwn(LEFT_OUT, path));
}
