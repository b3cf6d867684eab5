// Checks a whole database: `npm run check:data -- <data directory>`.
import { join } from "node:path";
import { checkDatabase } from "../src/core/store/sqlite/open.ts";

const [directory, ...rest] = process.argv.slice(2);
if (!directory || rest.length > 0) {
  process.stderr.write("Usage: npm run check:data -- <data directory>\n");
  process.exitCode = 2;
} else {
  const file = join(directory, "helios.db");
  try {
    checkDatabase(file);
    process.stdout.write(`${file} is sound\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
}
