import type { BreakerRecord } from "../breakers/record.ts";
import type { FlagDefinition, FlagRecord } from "../flags/record.ts";
import type { ModuleRecord } from "../modules/record/record.ts";
import type { SuiteRecord } from "../testing/record.ts";
import type { RunRecord } from "../testing/runs/record.ts";
import { type DescribedField, describeChange } from "./describe.ts";
import type { EventSource } from "./events.ts";

const FLAG: readonly DescribedField<FlagDefinition>[] = [
  { label: "", of: ({ enabled, killed }) => (killed ? "killed" : enabled ? "on" : "off") },
  { label: "", of: ({ strategy }) => strategy },
  { label: "", of: ({ strategy, percentage }) => (strategy === "PERCENTAGE" ? `${percentage} %` : undefined) },
  { label: "", of: ({ strategy, gradual }) => (strategy === "GRADUAL" && gradual ? schedule(gradual) : undefined) },
  { label: "schedule", of: ({ gradual }) => (gradual?.pausedAt === undefined ? undefined : "paused") },
  { label: "variants", of: ({ variants }) => variants?.map(({ name, weight }) => `${name} ${weight}`).join(" ") },
  { label: "if", of: ({ condition }) => condition },
  { label: "needs", of: ({ prerequisites }) => prerequisites?.join(" ") },
  { label: "whitelist", of: ({ whitelist }) => (whitelist.length === 0 ? undefined : `${whitelist.length} entries`) },
];

function schedule({ initialPercentage, targetPercentage }: NonNullable<FlagDefinition["gradual"]>): string {
  return `${initialPercentage} to ${targetPercentage} %`;
}

const MODULE: readonly DescribedField<ModuleRecord>[] = [
  { label: "", of: ({ lifecycle }) => lifecycle.state },
  { label: "version", of: ({ registration }) => registration.version || undefined },
  { label: "path", of: ({ registration }) => registration.modulePath },
  { label: "generation", of: ({ generation }) => (generation === 0 ? undefined : String(generation)) },
  { label: "unhealthy", of: ({ unhealthy }) => unhealthy?.message },
  { label: "failure", of: ({ lifecycle }) => ("failure" in lifecycle ? lifecycle.failure?.message : undefined) },
];

const BREAKER: readonly DescribedField<BreakerRecord>[] = [
  { label: "", of: ({ state }) => state },
  { label: "", of: ({ holds = [] }) => holds.map(({ kind }) => kind).join(" ") || undefined },
];

const RUN: readonly DescribedField<RunRecord>[] = [
  { label: "of", of: ({ module, modulePath, suite }) => `${module || modulePath}, suite ${suite}` },
  { label: "", of: ({ state, passed }) => (state === "COMPLETED" ? (passed ? "PASSED" : "FAILED") : state) },
];

const SUITE: readonly DescribedField<SuiteRecord>[] = [{ label: "", of: ({ tests }) => `${tests.length} tests` }];

/** The sources of events. */
export const EVENT_SOURCES: readonly EventSource[] = [
  {
    prefix: "flag/",
    domain: "FLAGS",
    noun: "flag",
    describe: (before, after) => describeChange(flagOf(before), flagOf(after), FLAG),
  },
  {
    prefix: "module/",
    domain: "MODULES",
    noun: "module",
    describe: (before, after) => describeChange(before as ModuleRecord, after as ModuleRecord, MODULE),
  },
  {
    prefix: "breaker/",
    domain: "BREAKERS",
    noun: "breaker",
    describe: (before, after) => describeChange(before as BreakerRecord, after as BreakerRecord, BREAKER),
  },
  {
    prefix: "run/",
    domain: "TESTS",
    noun: "test run",
    describe: (before, after) => describeChange(before as RunRecord, after as RunRecord, RUN),
  },
  {
    prefix: "suite/",
    domain: "TESTS",
    noun: "test suite",
    describe: (before, after) => describeChange(before as SuiteRecord, after as SuiteRecord, SUITE),
  },
];

/** A tombstone does not count as a flag. */
function flagOf(record: unknown): FlagDefinition | undefined {
  if (record === undefined || "deleted" in (record as FlagRecord)) return undefined;
  return record as FlagDefinition;
}
