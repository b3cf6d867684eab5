import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OwnServer, startOwnServer } from "../../../scripts/demo/server.ts";
import { blocksOf, ROOT } from "../../pages.ts";

const run = promisify(execFile);
const BLOCKS = blocksOf("docs/operations.md", "operations");

/** The promises of the page for its blocks, in order. */
const PROMISED: readonly (readonly RegExp[])[] = [
  [/"healthy":true/, /"name":"neural_predictor"/, /"name":"neural_network_v2"/, /"state":"closed"/, /"ready": true/],
  [/"percentage":10[,}]/, /"reason":"split"/, /"explanations":\[/],
  [/"strategy":"gradual"/, /"paused/],
  [/"killed":true/, /"reached":true/, /"reason":"FLAG_KILLED"/, /"killed":false/],
  [/"reason":"prices are right again"/, /"flags":\{/],
  [
    /"step_ended"/,
    /"swapped":true/,
    /"output"|"json"/,
    /"state":"current"/,
    /"from_version":"2\.0\.0"|"version":"1\.0\.0"/,
  ],
  [/"enabled":false/, /"reason":"HOT_RELOAD_DISABLED".*"actor":"ana"/, /"enabled":true/],
  [/"total_tests":11/, /"runs":\[/],
  [
    /"name":"exchange_api"/,
    /"state":"open"/,
    /"allowed":false/,
    /"cause":\{"action":"OpenBreaker","actor":"ana"/,
    /"recent_changes":\[/,
    /"hold_id":"trial","override":"metrics_only"/,
    /"simulated":\{/,
    /"state":"closed"/,
    /"breakers":\[\{"name":"exchange_api"/,
  ],
  [/"heartbeat"/, /data: \{.*"snapshot"/],
  [/did you mean strategy\?/, /"reason":"MODULE_NOT_FOUND"/],
];

describe.each([
  { http: "HTTP/1.1", curl: "--http1.1", buf: "--schema proto" },
  { http: "HTTP/2", curl: "--http2-prior-knowledge", buf: "--http2-prior-knowledge" },
])("an operator's day over $http", ({ curl, buf }) => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await startOwnServer();
  });
  afterAll(() => server.stop());

  it.each(BLOCKS.map((block, index) => [index + 1, block] as const))(
    "matches the page in step %i",
    async (step, block) => {
      const script = block
        .replaceAll("http://127.0.0.1:8000", server.baseUrl)
        .replaceAll("--http2-prior-knowledge", buf)
        .replaceAll(/^curl /gm, `curl -sS ${curl} `);
      const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script], { cwd: ROOT, maxBuffer: 1e8 });
      for (const promise of PROMISED[step - 1] ?? []) expect(stdout).toMatch(promise);
    },
  );

  it("has no step that is not tested", () => {
    expect(BLOCKS).toHaveLength(PROMISED.length);
  });
});
