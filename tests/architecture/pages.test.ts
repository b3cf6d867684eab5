import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../pages.ts";
import { filesBelow } from "./imports.ts";

const PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", ...filesBelow(ROOT, "docs")].filter((page) =>
  page.endsWith(".md"),
);
/** Files of a user's own modules root, which the pages use in examples. */
const OF_READERS: readonly string[] = ["src/position_keeper.ts", "src/weights.bin", "src/ml/predictor.ts"];

const DIRECTORIES = "src|proto|gen|clients|tests|testdata|docs|scripts|bench|config|examples|\\.ci";
const PATH = new RegExp(`(?<![\\w./<-])(?:${DIRECTORIES})/[\\w./*-]*\\w`, "g");
const LINK = /\]\(([^)\s]+)\)/g;

const textOf = (page: string): string => readFileSync(join(ROOT, page), "utf8");

/** The anchors of a page's headings, as code hosts generate them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function isThere(path: string): boolean {
  return path.includes("*") ? globSync(path, { cwd: ROOT }).length > 0 : existsSync(join(ROOT, path));
}

describe.each(PAGES)("%s", (page) => {
  const text = textOf(page);

  it("names only paths that exist", () => {
    const paths = [...text.matchAll(PATH)].map(([path]) => path).filter((path) => !OF_READERS.includes(path));
    expect(paths.filter((path) => !isThere(path))).toEqual([]);
  });

  it("links only to pages and headings that exist", () => {
    const broken = [...text.matchAll(LINK)]
      .map(([, target = ""]) => target)
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? page : posix.join(posix.dirname(page), path);
        if (!isThere(file)) return true;
        return anchor !== undefined && !anchorsOf(textOf(file)).includes(anchor);
      });
    expect(broken).toEqual([]);
  });
});

it("docs/architecture.md describes every directory of the kernel, the engine and the edge", () => {
  const page = textOf("docs/architecture.md");
  const directories = ["src/kernel", "src/core", "src/server"].flatMap((layer) =>
    readdirSync(join(ROOT, layer), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${layer}/${name}`),
  );
  expect(directories.filter((directory) => !page.includes(`\`${directory}\``))).toEqual([]);
});

it("docs/architecture.md names every file by its path from the root, so that a move is noticed", () => {
  const named = [...textOf("docs/architecture.md").matchAll(/[\w/.-]+\.(?:ts|proto)\b/g)].map(([path]) => path);
  const [rooms = ""] = textOf("docs/architecture.md").split("### The rooms of the modules\n")[1]?.split("\n## ") ?? [];
  const short = named.filter((path) => !isThere(path) && !isThere(posix.join("docs", path)) && !rooms.includes(path));
  expect(short).toEqual([]);
  expect(named.length).toBeGreaterThan(40);
});
