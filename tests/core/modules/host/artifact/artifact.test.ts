import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Artifact,
  type ArtifactFile,
  decodeArtifact,
  digestOf,
  encodeArtifact,
} from "../../../../../src/core/modules/host/artifact/artifact.ts";

const name = fc.string({ unit: fc.constantFrom("a", "b", "/", "\n", '"', "\ud800", "é", "_"), maxLength: 4 });
const links = fc.uniqueArray(fc.tuple(name, name), { selector: ([specifier]) => specifier, maxLength: 3 });
const file: fc.Arbitrary<ArtifactFile> = fc.record({
  path: name,
  format: fc.constantFrom("module", "commonjs", "json"),
  imports: links,
  requires: links,
  source: fc.uint8Array({ maxLength: 4 }),
  hidden: fc.array(fc.oneof(fc.record({ at: fc.nat(9) }), fc.record({ at: fc.nat(9), name })), { maxLength: 2 }),
});
const files = fc.uniqueArray(file, { selector: ({ path }) => path, maxLength: 4 });
const outside = fc.uniqueArray(fc.record({ from: name, line: fc.nat(3), specifier: name, file: name }), {
  selector: ({ from, line, specifier }) => JSON.stringify([from, line, specifier]),
  maxLength: 3,
});
const artifact: fc.Arbitrary<Artifact> = fc.record({ entry: name, files, outside });

const reversed = (of: Artifact): Artifact => ({
  ...of,
  files: of.files
    .toReversed()
    .map((each) => ({ ...each, imports: each.imports.toReversed(), requires: each.requires.toReversed() })),
  outside: of.outside.toReversed(),
});

/** Is equal for artifacts that differ only in the order of their parts. */
const meaning = ({ entry, files, outside }: Artifact): string => {
  const inOrder = (parts: readonly unknown[]): string[] => parts.map((part) => JSON.stringify(part)).sort();
  const all = files.map(({ imports, requires, source, hidden = [], ...rest }) => [
    rest.path,
    rest.format,
    inOrder(imports),
    inOrder(requires),
    [...source],
    hidden.map(({ at, name }) => [at, name]),
  ]);
  const places = outside.map(({ from, line, specifier, file }) => [from, line, specifier, file]);
  return JSON.stringify([entry, inOrder(all), inOrder(places)]);
};

describe("the digest of an artifact", () => {
  it("is independent of the order in which its parts were found", () => {
    fc.assert(
      fc.property(artifact, (of) => {
        expect(digestOf(encodeArtifact(reversed(of)))).toBe(digestOf(encodeArtifact(of)));
      }),
    );
  });

  it("changes with everything else: a path, a format, a link, a byte, or the place where a file ends", () => {
    fc.assert(
      fc.property(artifact, artifact, (a, b) => {
        expect(digestOf(encodeArtifact(a)) === digestOf(encodeArtifact(b))).toBe(meaning(a) === meaning(b));
      }),
      { numRuns: 1000 },
    );
    const two = (first: string, second: string): string => {
      const parts = { format: "module", imports: [], requires: [] } as const;
      const source = (text: string): Uint8Array => Buffer.from(text);
      const all = [
        { ...parts, path: "a", source: source(first) },
        { ...parts, path: "b", source: source(second) },
      ];
      return digestOf(encodeArtifact({ entry: "a", files: all, outside: [] }));
    };
    expect(two("xy", "z")).not.toBe(two("x", "yz"));
  });

  it("is the SHA-256 of bytes that contain the whole artifact", () => {
    fc.assert(
      fc.property(artifact, (of) => {
        expect(meaning(decodeArtifact(encodeArtifact(of)))).toBe(meaning(of));
      }),
    );
  });
});

it.each(["", "{}", "not an artifact", '{"version":2}\n', "\n"])("%j is not an artifact", (text) => {
  expect(() => decodeArtifact(Buffer.from(text))).toThrow(SyntaxError);
});
