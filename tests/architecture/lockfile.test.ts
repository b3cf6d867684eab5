import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

interface Locked {
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const TEXT = readFileSync(join(import.meta.dirname, "../../package-lock.json"), "utf8");
const PACKAGES = (JSON.parse(TEXT) as { packages: Readonly<Record<string, Locked>> }).packages;

describe("the lockfile", () => {
  it("names no registry host", () => {
    const hosts = Object.values(PACKAGES).filter(({ resolved }) => resolved?.startsWith("http"));
    expect(hosts).toEqual([]);
  });

  // `npm ci` refuses a lockfile that lacks a package of another platform. npm omits such packages from a lockfile if the
  // registry in use does not have them.
  it("contains the packages of every platform", () => {
    const missing = Object.entries(PACKAGES).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`node_modules/${name}` in PACKAGES) && !(`${path}/node_modules/${name}` in PACKAGES),
      ),
    );
    expect(missing).toEqual([]);
  });
});
