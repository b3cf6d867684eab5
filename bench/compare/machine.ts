import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";
import type { Cores } from "./cores.ts";
import type { Machine } from "./results.ts";

const MODULES = join(import.meta.dirname, "../../node_modules");
const PEERS = [
  "@connectrpc/connect-node",
  "@grpc/grpc-js",
  "@grpc/proto-loader",
  "@bufbuild/protobuf",
  "@openfeature/flagd-core",
  "@growthbook/growthbook",
  "cockatiel",
  "opossum",
];

export function describeMachine(cores: Cores | undefined): Omit<Machine, "loadBefore" | "loadAfter"> {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    isPinned: cores !== undefined,
  };
}

/** Load average over the last minute. */
export const loadNow = (): number => loadavg()[0] ?? Number.NaN;

/** Versions of Node and of the packages that take part. */
export function readVersions(): Record<string, string> {
  const versions = PEERS.map((name): [string, string] => {
    const { version } = JSON.parse(readFileSync(join(MODULES, name, "package.json"), "utf8")) as { version: string };
    return [name, version];
  });
  return { node: process.versions.node, ...Object.fromEntries(versions) };
}
