import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { InstanceSpec } from "./host.ts";

/** What runs first in every instance. */
export const BOOTSTRAP = fileURLToPath(new URL("./bootstrap/main.ts", import.meta.url));

/** Directories whose code an instance may import: the modules root, and what its grants let it read. */
export function readableOf({ module, grants }: InstanceSpec): string[] {
  return [module.root, ...grants.fsRead];
}

/** Flags of Node's permission model: nothing but reading code, and what is granted. */
export function permissionFlags(spec: InstanceSpec): string[] {
  const { fsWrite, net, childProcess } = spec.grants;
  return [
    "--permission",
    `--allow-fs-read=${dirname(BOOTSTRAP)}`,
    ...readableOf(spec).map((path) => `--allow-fs-read=${path}`),
    ...fsWrite.map((path) => `--allow-fs-write=${path}`),
    ...(net ? ["--allow-net"] : []),
    ...(childProcess ? ["--allow-child-process"] : []),
    "--disable-warning=SecurityWarning",
    "--disable-warning=ExperimentalWarning",
  ];
}
