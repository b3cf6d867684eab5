// Writes again what shows bench/results.json: bench/RESULTS.md, and the charts and goals of docs/performance.md. `npm run bench`
// does so by itself; `npm run bench:plots` is for changes of the charts.
import { readFileSync } from "node:fs";
import { publish } from "./compare/publish.ts";
import type { Results } from "./compare/results.ts";

publish(JSON.parse(readFileSync(new URL("results.json", import.meta.url), "utf8")) as Results);
