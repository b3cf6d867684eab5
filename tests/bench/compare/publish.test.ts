import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pagesOf } from "../../../bench/compare/publish.ts";
import type { Results } from "../../../bench/compare/results.ts";

const ROOT = join(import.meta.dirname, "../../..");
const results = JSON.parse(readFileSync(join(ROOT, "bench/results.json"), "utf8")) as Results;

describe("the published results", () => {
  it("show bench/results.json (npm run bench:plots writes them)", () => {
    const pages = [...pagesOf(results)];
    expect(pages.length).toBeGreaterThan(8);
    const stale = pages.filter(([path, text]) => {
      const file = join(ROOT, path);
      return !existsSync(file) || readFileSync(file, "utf8") !== text;
    });
    expect(stale.map(([path]) => path)).toEqual([]);
  });

  it("include the goals in docs/performance.md", () => {
    const page = pagesOf(results).get("docs/performance.md");
    expect(page).toContain("at least 0.75 × bare node:http2");
    expect(page).toContain("at most 25 KB");
  });
});
