import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OwnServer, startOwnServer } from "../../scripts/demo/server.ts";
import { blocksOf, ROOT } from "../pages.ts";

const run = promisify(execFile);
/** Replaces npx, which takes longer to start than most lines take in all. */
const SHORT_WAY = join(ROOT, "tests/fixtures/bin");

export function paste(
  script: string,
  path = `${SHORT_WAY}${delimiter}${process.env.PATH}`,
): Promise<{ stdout: string }> {
  return run("bash", ["-euo", "pipefail", "-c", script], {
    cwd: ROOT,
    maxBuffer: 1e8,
    env: { ...process.env, PATH: path },
  });
}

interface Page {
  readonly page: string;
  readonly mark: string;
  /** What the output of each block has, in order. */
  readonly promised: readonly (readonly RegExp[])[];
}

/** The pages whose lines can be pasted. */
const PAGES: readonly Page[] = [
  {
    page: "README.md",
    mark: "deployment",
    promised: [
      [/"name": "neural_predictor_v2"/, /"state": "MODULE_STATE_UNLOADED"/],
      [/"state": "MODULE_STATE_ACTIVE"/, /"testEnded"/, /"passed": true/],
      [/"strategy": "STRATEGY_PERCENTAGE"/, /"percentage": 10/, /"reason": "REASON_SPLIT"/],
      [/"name": "module:neural_predictor_v2"/, /"state": "BREAKER_STATE_CLOSED"/],
      [/"percentage": 25/, /"percentage": 50/, /"strategy": "STRATEGY_ALL_ON"/],
      [/"swapped": true/, /"version": "2\.0\.0"/, /"ready": true/],
    ],
  },
  {
    page: "docs/swaps.md",
    mark: "swaps",
    promised: [
      [/"begun"/, /"stepStarted"/, /"name": "bake",\s+"duration"/, /"swapId": "release-42"/, /"swapped": true/],
      [/"GENERATION_STATE_CURRENT"/, /"GENERATION_STATE_RETIRED"/, /"swapped": true/, /"version": "1\.0\.0"/],
      [/"swapped": true/, /"configVersion": 2/],
      [/"results"/, /"name": "feature_extractor"/, /"version": "2\.0\.0"/],
    ],
  },
  {
    page: "docs/flags.md",
    mark: "flags",
    promised: [
      [/"name": "smart_router"/, /"variants"/, /"depth": 8/],
      [/"EXPLAINED_STEP_CONDITION"/, /"holds"/, /murmur3 of/],
      [/"initialPercentage": 50/, /"pausedAt"/, /"targetPercentage": 100/],
      [/"killed": true/, /"reason": "REASON_DISABLED",\s+"revision": "\d+",\s+"killed": true/, /"enabled": true/],
      [/"name": "smart_router"/, /"revision"/, /"strategy": "STRATEGY_PERCENTAGE"/],
    ],
  },
  {
    page: "docs/suites.md",
    mark: "suites",
    promised: [
      [/"name": "heap_does_not_grow"/, /"passed": true/],
      [/"name": "predictor-smoke"/, /"totalTests": 2/, /"passed": true/],
      [/"suite": "suites\/neural_predictor.ts"/, /"version": "2\.0\.0"/, /"passed": true/],
      [/of suite ml: 11 of 11 passed/, /"swapped": true/, /"artifact": "[0-9a-f]{64}"/],
      [/"prediction": "up"/, /"totalTests": 12/, /"reported": true/, /"reportedBy": "ana"/, /"modulePath"/],
    ],
  },
];

const OPTIONS = { "HTTP/2": "--http2-prior-knowledge", "HTTP/1.1": "--schema proto" };

/** Pastes the lines of some pages one by one, each page's to a server of its own. */
export function describePages(over: keyof typeof OPTIONS, pages = PAGES.map(({ page }) => page)): void {
  const chosen = PAGES.filter(({ page }) => pages.includes(page)).map((page) => ({ ...page, over }));
  describe.each(chosen)("the lines of $page, pasted one by one over $over", ({ page, mark, promised }) => {
    const blocks = blocksOf(page, mark);
    let server: OwnServer;
    beforeAll(async () => {
      server = await startOwnServer();
    });
    afterAll(() => server.stop());

    it.each(blocks.map((block, index) => [index + 1, block] as const))("work at step %i", async (step, block) => {
      const script = block
        .replaceAll("http://127.0.0.1:8000", server.baseUrl)
        .replaceAll("--http2-prior-knowledge", OPTIONS[over]);
      const { stdout } = await paste(script);
      for (const promise of promised[step - 1] ?? []) expect(stdout).toMatch(promise);
    });

    it("are all present", () => {
      expect(blocks).toHaveLength(promised.length);
    });
  });
}
