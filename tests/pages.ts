import { readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

/** The blocks of a page between its marks: those to paste, or those in another language. */
export function blocksOf(page: string, mark: string, language = "bash"): string[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  const pasted = text.split(`<!-- ${mark} -->`)[1]?.split(`<!-- /${mark} -->`)[0] ?? "";
  const blocks = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs");
  return [...pasted.matchAll(blocks)].map(([, block]) => block ?? "");
}
