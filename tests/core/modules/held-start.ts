import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownRoot } from "./rig.ts";

const HELD = `
  import { existsSync } from "node:fs";
  export default class {
    async start({ config }) {
      while (!existsSync(config.path)) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    echo(value) { return value; }
    exit() { process.exit(3); }
  }`;

/** A modules root with a module `held` whose start lasts while the test holds it, and its registration. */
export async function heldStart() {
  const { path: root } = await ownRoot({ "held.mjs": HELD });
  const path = join(root, "go");
  return {
    root,
    fields: { config: { path }, grants: { fsRead: [path] } },
    hold: () => rmSync(path),
    release: () => writeFileSync(path, ""),
  };
}
