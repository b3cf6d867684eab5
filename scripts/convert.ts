// npm run convert -- FILE [--from flagd|unleash|simple] [--environment NAME] [--out FILE]
//
// Converts a file of another system to a flags file, and reports on stderr what it could not carry over. The exit code
// is 0 if everything was carried over, 3 if not, 2 for wrong arguments, and 1 if the file cannot be read.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readBytes, utf8 } from "../src/server/config/source-file.ts";
import { convert, type System } from "./convert/convert.ts";
import { AskedWrongly } from "./convert/converted.ts";

const USAGE = "Usage: npm run convert -- FILE [--from flagd|unleash|simple] [--environment NAME] [--out FILE]";
const SYSTEMS = ["flagd", "unleash", "simple"];

function asked() {
  try {
    const options = { from: { type: "string" }, environment: { type: "string" }, out: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    const [file, ...others] = positionals;
    if (file === undefined || others.length > 0) throw new Error("name one file");
    if (values.from !== undefined && !SYSTEMS.includes(values.from))
      throw new Error(`--from is one of ${SYSTEMS.join(", ")}`);
    return { file, ...values };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
    process.exit(2);
  }
}

const { file, from, environment, out } = asked();
try {
  const { system, text, report, isLossy } = convert(
    utf8(await readBytes(file, true)),
    from as System | undefined,
    environment,
  );
  process.stderr.write([`${file} is read as ${system}`, ...report, ""].join("\n"));
  if (out === undefined) process.stdout.write(text);
  else writeFileSync(out, text);
  process.exitCode = isLossy ? 3 : 0;
} catch (error) {
  process.stderr.write(`${file}: ${(error as Error).message}\n`);
  process.exitCode = error instanceof AskedWrongly ? 2 : 1;
}
