import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));
/** Entry points that run in processes or threads of their own, about one for each module. */
const ENTRIES = ["core/modules/host/inside/main.ts", "core/modules/host/reaper/main.ts"];
/** The output directory. Files have the same path there as below src. */
export const STRIPPED = "gen/stripped";

const IMPORTS = /(?<=^(?:import|export)\b[^"]*from )"(\.[^"]+)\.ts"/gm;

/**
 * The code of these processes as JavaScript, with the same lines as the source. Node's own compiler, which every
 * process and thread that runs TypeScript loads, takes two thirds of the time and memory of an empty module.
 */
export function strippedCode(): Readonly<Record<string, string>> {
  const files: Record<string, string> = {};
  const add = (path: string): void => {
    const file = `${STRIPPED}/${path.replace(/\.ts$/, ".js")}`;
    if (file in files) return;
    const code = stripTypeScriptTypes(readFileSync(join(SOURCE, path), "utf8"));
    files[file] = code.replace(IMPORTS, '"$1.js"');
    for (const [, imported] of code.matchAll(IMPORTS))
      add(relative(SOURCE, join(SOURCE, path, "..", `${imported}.ts`)));
  };
  for (const entry of ENTRIES) add(entry);
  return files;
}
