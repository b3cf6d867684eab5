import type { Launch } from "../../../src/core/modules/host/instance/start.ts";

/** Services for an instance that is never started. */
export const spec: Launch = {
  name: "under_test",
  version: "",
  defaultVersion: "0.0.0",
  generation: 1,
  module: { modulePath: "m", sha256: "", artifact: "" },
  root: "/root",
  assetsDir: undefined,
  code: { entry: "m.ts", files: [], outside: [] },
  isolation: "PROCESS",
  config: {},
  env: {},
  grants: { fsRead: [], fsWrite: [], net: false, childProcess: false },
  maxHeapMb: 64,
  startTimeoutMs: 1000,
  blockTimeoutMs: 5000,
};
