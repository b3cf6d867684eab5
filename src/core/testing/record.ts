import type { StandIns, Stub } from "../modules/record/stand-ins.ts";
import type { Resource } from "../store/collection.ts";

/** A test as data: one call, and what is expected of its answer. */
export interface TestCase {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly timeoutMs: number;
  readonly method: string;
  /** A JSON value. */
  readonly input: unknown;
  /** A CEL expression. Empty: the call must succeed. */
  readonly expect: string;
}

/** A test as a caller gives it; an absent field has its default. */
export type TestCaseFields = Pick<TestCase, "name" | "method"> & {
  readonly [Key in keyof TestCase]?: TestCase[Key] | undefined;
};

/** The stored part of a created suite. */
export interface SuiteRecord {
  readonly description: string;
  readonly tests: readonly TestCase[];
  /** What answers in place of the dependencies of the tested module. Absent: the suite stubs nothing. */
  readonly stubs?: Readonly<Record<string, Stub>>;
  readonly allowDependencies?: readonly string[];
}

/** A created suite as stored. */
export type SuiteResource = Resource<SuiteRecord>;

/** A suite as a caller creates it. */
export interface SuiteFields extends StandIns {
  /** Default empty. */
  readonly description?: string | undefined;
  /** At least one. */
  readonly tests: readonly TestCaseFields[];
}

/** The stand-ins that a record stores: empty ones are left out. */
export function storedStandIns({ stubs = {}, allowDependencies = [] }: StandIns): Pick<SuiteRecord, keyof StandIns> {
  return {
    ...(Object.keys(stubs).length === 0 ? {} : { stubs }),
    ...(allowDependencies.length === 0 ? {} : { allowDependencies }),
  };
}
