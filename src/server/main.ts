import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// Compiling the service's own code takes longer than anything else at a start, so the result is kept for the next start. It
// is kept beside the packages: whoever can write there can change the code itself. If nobody can, nothing is kept.
enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/helios", import.meta.url)));

await import("./run.ts");
