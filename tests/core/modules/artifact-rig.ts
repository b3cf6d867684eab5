import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { type Clock, systemClock } from "../../../src/core/index.ts";
import { createModuleHost } from "../../../src/core/modules/host/index.ts";
import type {
  Grants,
  Instance,
  InstanceServices,
  Isolation,
  ModuleHost,
  ResolvedModule,
} from "../../../src/core/modules/host/types/host.ts";
import { sharedReaper } from "./shared-reaper.ts";

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A new directory with these files, which is removed at the end of the test. Its path contains no links. */
export function tree(files: Files = {}): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "helios-artifact-")));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  write(root, files);
  return root;
}

export function write(root: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** Is closed at the end of the test. */
export function hostOf(root: string, options: { artifactsDir?: string; clock?: Clock } = {}): ModuleHost {
  const host = createModuleHost({ root, clock: systemClock, reaper: sharedReaper, ...options });
  onTestFinished(() => host.close());
  return host;
}

const SERVICES: InstanceServices = {
  log: () => {},
  isFlagEnabled: () => false,
  call: async (_to, _method, input) => input,
};

export function launch(
  host: ModuleHost,
  module: ResolvedModule,
  isolation: Isolation,
  fsRead: readonly string[] = [],
): Promise<Instance> {
  const grants: Grants = { fsRead, fsWrite: [], net: false, childProcess: false };
  const spec = { name: "under_test", version: "", defaultVersion: "0.0.0", generation: 1, module, isolation, grants };
  return host.start(
    { ...spec, config: {}, env: {}, maxHeapMb: 64, blockTimeoutMs: 0, startTimeoutMs: 10_000 },
    SERVICES,
  );
}

/** The answer of a module's method `run`. */
export async function run(instance: Instance, input: unknown = null): Promise<unknown> {
  const output = await instance.invoke("run", { json: input }, { timeoutMs: 10_000 });
  return "json" in output ? output.json : output.binary;
}

/** The source of a module whose method `run` returns the value of that expression. */
export const answering = (expression: string, head = ""): string =>
  `${head}\nexport default class { async run(input) { return ${expression}; } }\n`;
