import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Launch } from "./start.ts";

/** What runs first in every instance: inside/main.ts, generated as JavaScript, which starts in a third of the time. */
export const BOOTSTRAP: string = fileURLToPath(
  new URL("../../../../../gen/stripped/core/modules/host/inside/main.js", import.meta.url),
);

/** All code of the service that an instance runs is below it. */
const OWN_CODE = dirname(dirname(BOOTSTRAP));

/**
 * Flags of Node's permission model: nothing but reading the bootstrap and the assets, and what is granted. The code is sent.
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
    // SQLite opens files past the permission model. The bootstrap has it ask where there are some that it may open.
    ...(hasFiles ? [] : ["--no-experimental-sqlite"]),
    ...(net ? ["--allow-net"] : []),
    ...(childProcess ? ["--allow-child-process"] : []),
    "--disable-warning=SecurityWarning",
    "--disable-warning=ExperimentalWarning",
  ];
}
