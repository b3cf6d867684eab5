import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** The output directory. */
export const BUNDLES = "gen/bundles";
/** Programs that run in processes or threads of their own, about one for each module, by their output file. */
const PROGRAMS = {
  [`${BUNDLES}/host/inside/main.js`]: "src/core/modules/host/inside/main.ts",
  [`${BUNDLES}/host/reaper/main.js`]: "src/core/modules/host/reaper/main.ts",
};

/**
 * Each of these programs with all that it imports, as one file of JavaScript. Node's own compiler, which every process and
 * thread that runs TypeScript loads, and the loading of 30 files would take two thirds of the time of an empty module.
 */
export async function bundles(): Promise<Readonly<Record<string, string>>> {
  const made = Object.entries(PROGRAMS).map(async ([file, input]) => [file, await bundle(input)] as const);
  return Object.fromEntries(await Promise.all(made));
}

async function bundle(input: string): Promise<string> {
  const build = await rolldown({ cwd: ROOT, input, platform: "node", tsconfig: false });
  const { output } = await build.generate({ format: "esm", banner: `// Generated from ${input}. Do not edit.` });
  await build.close();
  const [{ code }, ...others] = output;
  if (others.length > 0) throw new Error(`${input} became several files: ${others.map(({ fileName }) => fileName)}`);
  return code;
}
