import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Launch } from "./start.ts";

/**
 * The program that every instance starts with: inside/main.ts, generated as one file of JavaScript, which starts faster.
 */
export const BOOTSTRAP: string = fileURLToPath(
  new URL("../../../../../gen/bundles/host/inside/main.js", import.meta.url),
);

/** Directory of all code of the service that an instance runs. */
const OWN_CODE = dirname(dirname(BOOTSTRAP));

/**
 * Returns the flags of Node's permission model. An instance may read the bootstrap and its assets, and do what is granted.
 * It need not read the module's code, which the service sends.
 */
export function permissionFlags({ grants, assetsDir }: Pick<Launch, "grants" | "assetsDir">): string[] {
  const { fsRead, fsWrite, net, childProcess } = grants;
  const hasFiles = assetsDir !== undefined || fsRead.length > 0 || fsWrite.length > 0;
  return [
    "--permission",
    `--allow-fs-read=${OWN_CODE}`,
    ...(assetsDir === undefined ? [] : [`--allow-fs-read=${assetsDir}`]),
    ...fsRead.map((path) => `--allow-fs-read=${path}`),
    ...fsWrite.map((path) => `--allow-fs-write=${path}`),
    // SQLite ignores the permission model. If the module may use files, the bootstrap checks them. Otherwise SQLite is
    // disabled.
    ...(hasFiles ? [] : ["--no-experimental-sqlite"]),
    ...(net ? ["--allow-net"] : []),
    ...(childProcess ? ["--allow-child-process"] : []),
    "--disable-warning=SecurityWarning",
    "--disable-warning=ExperimentalWarning",
  ];
}
