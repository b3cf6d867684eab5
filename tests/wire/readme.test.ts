import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";

const ROOT = join(import.meta.dirname, "../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const PASTED = README.split("<!-- deployment -->")[1]?.split("<!-- /deployment -->")[0] ?? "";
const BLOCKS = [...PASTED.matchAll(/```bash\n(.*?)```/gs)].map(([, block]) => block ?? "");

const run = promisify(execFile);

/** What the README promises of the blocks, in order. */
const PROMISED = [
  [/"name": "neural_predictor_v2"/, /"state": "MODULE_STATE_UNLOADED"/],
  [/"state": "MODULE_STATE_ACTIVE"/, /"testEnded"/, /"passed": true/],
  [/"strategy": "STRATEGY_PERCENTAGE"/, /"percentage": 10/, /"reason": "REASON_SPLIT"/],
  [/"name": "module:neural_predictor_v2"/, /"state": "BREAKER_STATE_CLOSED"/],
  [/"percentage": 25/, /"percentage": 50/, /"strategy": "STRATEGY_ALL_ON"/],
  [/"swapped": true/, /"version": "2\.0\.0"/, /"ready": true/],
];

describe.each([
  ["HTTP/2", "--http2-prior-knowledge"],
  ["HTTP/1.1", "--schema proto"],
])("the README's deployment, pasted line by line over %s", (_, option) => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await startOwnServer();
  });
  afterAll(() => server.stop());

  it.each(BLOCKS.map((block, index) => [index + 1, block] as const))("works at step %i", async (step, block) => {
    const script = block
      .replaceAll("http://127.0.0.1:8000", server.baseUrl)
      .replaceAll("--http2-prior-knowledge", option);
    const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script], { cwd: ROOT, maxBuffer: 1e8 });
    for (const promise of PROMISED[step - 1] ?? []) expect(stdout).toMatch(promise);
  });
});

it("the README has the six steps", () => {
  expect(BLOCKS).toHaveLength(PROMISED.length);
});
