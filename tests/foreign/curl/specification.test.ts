import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OwnServer, startOwnServer } from "../../../scripts/demo/server.ts";

const run = promisify(execFile);
const LINES = readFileSync(join(import.meta.dirname, "specification.sh"), "utf8")
  .split("\n\n")
  .map((block) => block.trim())
  .filter((block) => block.startsWith("curl"));

/** The promises of the specification for each line, in order. */
const PROMISED: readonly (readonly RegExp[])[] = [
  [/"name":"neural_predictor_v2"/, /"state":"unloaded"/],
  [/"state":"active"/, /"version":"2\.0\.0"/],
  [/"total_tests":11/, /"results":\{"passed":11,"failed":0/],
  [/"strategy":"percentage"/, /"percentage":10[,}]/, /"enabled":true/],
  [/"name":"module:neural_predictor_v2"/, /"state":"closed"/],
  [/"percentage":25[,}]/],
  [/"percentage":50[,}]/],
  [/"strategy":"all_on"/, /"enabled":true/],
  [/"swapped":true/, /"version":"2\.0\.0"/],
  [/"code":404/, /"reason":"MODULE_NOT_FOUND"/],
  [/"name":"module:neural_predictor"/],
  [/"code":404/, /"reason":"BREAKER_NOT_FOUND"/],
  [/"flags":\[/, /"name":"neural_network_v2"/],
  [/"reason":"FLAG_NOT_FOUND"/],
];

describe.each(["--http1.1", "--http2-prior-knowledge"])("the curl lines of the specification, with %s", (option) => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await startOwnServer();
  });
  afterAll(() => server.stop());

  it.each(LINES.map((line, index) => [index, line] as const))(
    "give the promised result in line %i",
    async (index, line) => {
      const script = line.replaceAll("http://localhost:8000", server.baseUrl).replace("curl", `curl -sS ${option}`);
      const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script], { maxBuffer: 1e8 });
      for (const promise of PROMISED[index] ?? []) expect(stdout).toMatch(promise);
    },
  );

  it("are all present", () => {
    expect(LINES).toHaveLength(PROMISED.length);
  });
});
