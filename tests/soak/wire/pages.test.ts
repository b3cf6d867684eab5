// @module-tag soak

import { describePages } from "../../wire/pasted.ts";

// The other pages, and the other protocol, of tests/wire/readme.test.ts.
describePages("HTTP/2", ["docs/flags.md", "docs/swaps.md", "docs/suites.md"]);
describePages("HTTP/1.1");
