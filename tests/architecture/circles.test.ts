import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { circlesIn, fileGraph, roomGraph } from "./circles.ts";
import { readSources } from "./imports.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODULES = "src/core/modules";
/** The rooms of the modules, as docs/architecture.md lists them: each imports only those before it. */
const ROOMS = [
  "errors.ts",
  "api.ts",
  ...["values", "disk", "types", "artifact", "wire", "bounds"].map((room) => `host/${room}`),
  ...["inside/permissions", "inside/load", "inside", "reaper", "instance"].map((room) => `host/${room}`),
  ...["host", "record", "calls/generation", "calls", "calls/keyed", "operations", "supervision"],
  ...["swap/judging", "swap/state", "swap/steps", "swap", "watching", "types.ts", "modules.ts"],
].map((room) => `${MODULES}/${room}`);
/** Most files in a room of the modules. */
const MOST_FILES = 12;

describe("imports, including imports of types", () => {
  it("form no circle between files", () => {
    expect(circlesIn(fileGraph(readSources(ROOT, "src")))).toEqual([]);
    expect(circlesIn(fileGraph(readSources(ROOT, "clients/typescript/src")))).toEqual([]);
  });

  it("form no circle between the rooms of the modules", () => {
    expect(circlesIn(roomGraph(readSources(ROOT, MODULES), MODULES))).toEqual([]);
  });
});

describe("a room of the modules", () => {
  it("imports only rooms that come before it", () => {
    const graph = roomGraph(readSources(ROOT, MODULES), MODULES);
    expect([...graph.keys()].toSorted()).toEqual(ROOMS.toSorted());
    const upwards = [...graph].flatMap(([from, targets]) =>
      targets.filter((to) => ROOMS.indexOf(to) > ROOMS.indexOf(from)).map((to) => `${from} -> ${to}`),
    );
    expect(upwards).toEqual([]);
  });

  it(`has at most ${MOST_FILES} files`, () => {
    const counts = new Map<string, number>();
    for (const { path } of readSources(ROOT, MODULES)) {
      const room = posix.dirname(path);
      counts.set(room, (counts.get(room) ?? 0) + 1);
    }
    expect([...counts].filter(([, files]) => files > MOST_FILES)).toEqual([]);
    expect(counts.size).toBeGreaterThan(15);
  });
});

describe("the search for circles", () => {
  const graph = (edges: Readonly<Record<string, string>>) =>
    new Map(Object.entries(edges).map(([from, to]) => [from, [...to]]));

  it.each([
    ["none", { a: "bc", b: "c", c: "" }, []],
    ["a circle of two", { a: "b", b: "a", c: "a" }, [["a", "b"]]],
    ["a circle of three, with a way out", { a: "b", b: "c", c: "ad", d: "" }, [["a", "b", "c"]]],
    ["two circles that touch as one", { a: "b", b: "ac", c: "b" }, [["a", "b", "c"]]],
    [
      "two separate circles",
      { a: "b", b: "a", c: "d", d: "c" },
      [
        ["a", "b"],
        ["c", "d"],
      ],
    ],
    ["a circle of a single node", { a: "a" }, [["a"]]],
    ["a circle through a node that was visited before", { a: "b", b: "cd", c: "", d: "cb" }, [["b", "d"]]],
  ])("finds %s", (_, edges, circles) => {
    expect(circlesIn(graph(edges as Record<string, string>)).toSorted()).toEqual(circles);
  });

  it("finds circles between rooms, where each top-level file is a room of its own", () => {
    const file = (path: string, ...targets: string[]) => ({
      path,
      imports: targets.map((target) => ({ specifier: target, target, typeOnly: false })),
    });
    const files = [
      file("r/face.ts", "r/a/x.ts"),
      file("r/a/x.ts", "r/b/y.ts"),
      file("r/b/y.ts"),
      file("r/b/z.ts", "r/a/x.ts"),
    ];
    expect(circlesIn(fileGraph(files))).toEqual([]);
    expect(circlesIn(roomGraph(files, "r"))).toEqual([["r/a", "r/b"]]);
  });
});
