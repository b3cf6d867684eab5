import { readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..");

/** The blocks to paste of a page, those between its marks. */
export function blocksOf(page: string, mark: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  const pasted = text.split(`<!-- ${mark} -->`)[1]?.split(`<!-- /${mark} -->`)[0] ?? "";
  return [...pasted.matchAll(/```bash\n(.*?)```/gs)].map(([, block]) => block ?? "");
}
