import type { Isolation } from "../../src/core/modules/host/types/host.ts";

const ALL: readonly Isolation[] = ["PROCESS", "THREAD"];

/** The kinds of instance in which a test runs: both, unless the configuration of a vitest project names one. */
export const ISOLATIONS: readonly Isolation[] = ALL.filter(
  (isolation) => (process.env.ISOLATION ?? isolation) === isolation,
);
