import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../pages.ts";
import { circlesIn, roomGraph } from "./circles.ts";
import { filesBelow, readSources } from "./imports.ts";
import { parametersOf } from "./parameters.ts";

/** The domains with the same layout. `noun` is the resource whose record, view and writer they have. */
const SIBLINGS = [
  { domain: "flags", face: "Flags", noun: "Flag", errors: "FLAG_ERRORS" },
  { domain: "breakers", face: "Breakers", noun: "Breaker", errors: "BREAKER_ERRORS" },
  { domain: "testing", face: "Testing", noun: "Suite", errors: "TESTING_ERRORS" },
];
const ROLES = ["types.ts", "record.ts", "validate.ts", "write.ts", "view.ts", "errors.ts"];
/** Most files in one directory of a sibling. */
const MOST_FILES = 12;
/** Most lines of a face. */
const MOST_LINES = 300;

describe.each(SIBLINGS)("src/core/$domain", ({ domain, face, noun, errors }) => {
  const directory = `src/core/${domain}`;
  const textOf = (file: string): string => readFileSync(join(ROOT, directory, file), "utf8");
  const files = filesBelow(ROOT, directory);

  it("has a file for each role that its siblings have", () => {
    expect(files).toEqual(expect.arrayContaining([`${domain}.ts`, ...ROLES].map((file) => `${directory}/${file}`)));
  });

  it.each([
    [`${domain}.ts`, `export function create${face}(`],
    ["types.ts", `export interface ${face} `],
    ["record.ts", `${noun}Record`],
    ["view.ts", `export interface ${noun}View `],
    ["view.ts", `export function create${noun}View(`],
    ["write.ts", `export interface ${noun}Writer `],
    ["write.ts", `export function create${noun}Writer(`],
    ["errors.ts", `export const ${errors} = table(`],
  ])("%s has %s", (file, declaration) => {
    expect(textOf(file)).toContain(declaration);
  });

  it(`has a face of at most ${MOST_LINES} lines`, () => {
    expect(textOf(`${domain}.ts`).split("\n").length).toBeLessThanOrEqual(MOST_LINES);
  });

  it(`has at most ${MOST_FILES} files in a directory, and no circle between its directories`, () => {
    const counts = new Map<string, number>();
    for (const path of files) counts.set(posix.dirname(path), (counts.get(posix.dirname(path)) ?? 0) + 1);
    expect([...counts].filter(([, count]) => count > MOST_FILES)).toEqual([]);
    expect(counts.size).toBeGreaterThan(1);
    expect(circlesIn(roomGraph(readSources(ROOT, directory), directory))).toEqual([]);
  });

  it("takes arguments in the order name, options, by", () => {
    const methods = ["types.ts", "write.ts", "view.ts"].flatMap((file) => parametersOf(textOf(file)));
    const wrong = methods.filter(({ parameters }) => {
      const [by, options] = [parameters.indexOf("by"), parameters.indexOf("options")];
      const last = parameters.length - 1;
      const isByLast = by === -1 || by === last;
      const areOptionsBeforeBy = options === -1 || options === (by === -1 ? last : last - 1);
      const isNameFirst = !parameters.includes("name") || parameters[0] === "name";
      return !(isByLast && areOptionsBeforeBy && isNameFirst);
    });
    expect(wrong).toEqual([]);
    expect(methods.filter(({ parameters }) => parameters.includes("by")).length).toBeGreaterThan(1);
  });
});

describe("the reader of parameters", () => {
  it("finds the methods of interfaces, with their parameters in order", () => {
    const text = `
      interface A {
        one(name: string, options?: { readonly by?: string; readonly to: (a: number) => void }, by?: By): void;
        readonly two: string;
        three<T>(
          work: (name: string) => Promise<T>,
          by: By | undefined,
        ): Promise<T>;
        four(): void;
      }
      const five = (name: string): void => {};
    `;
    expect(parametersOf(text)).toEqual([
      { method: "one", parameters: ["name", "options", "by"] },
      { method: "three", parameters: ["work", "by"] },
      { method: "four", parameters: [] },
    ]);
  });
});
