import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { encodedSize } from "../json/size.ts";
import { refuseTooLarge } from "../size.ts";
import { type SuiteFields, storedStandIns } from "./record.ts";
import type { ExpectationCompiler } from "./suites/expectations.ts";
import { checkSuiteName, checkSuiteStandIns, completeCases } from "./validate.ts";
import { describeCreated, type Suite, type SuiteView, suiteNotFound } from "./view.ts";

/** Writes created suites. Both methods reject with STORE_UNAVAILABLE. */
export interface SuiteWriter {
  /** Rejects with ARGUMENT_INVALID, SUITE_INVALID, SUITE_ALREADY_EXISTS and RESOURCE_TOO_LARGE. Ignores `by.etag`. */
  create(name: string, fields: SuiteFields, by: By | undefined): Promise<Suite>;
  /** Rejects with SUITE_NOT_FOUND, SUITE_BUILT_IN and ETAG_MISMATCH. */
  delete(name: string, by: By | undefined): Promise<Suite>;
}

/**
 * Size of a created suite, in the larger of its encodings; a larger one is refused with `RESOURCE_TOO_LARGE`.
 * @limit bytes
 */
const MAX_SUITE_BYTES = 1024 * 1024;

export function createSuiteWriter(view: SuiteView, compile: ExpectationCompiler | undefined): SuiteWriter {
  const { collection } = view;
  return {
    async create(name, { description = "", tests: cases, ...standIns }, by) {
      checkSuiteName(name);
      const tests = completeCases(name, cases, compile);
      checkSuiteStandIns(standIns);
      const record = { description, tests, ...storedStandIns(standIns) };
      refuseTooLarge("test suite", name, encodedSize(record), MAX_SUITE_BYTES);
      const { actor, reason } = by ?? {};
      const resource = await collection.change(name, causeOf("CreateSuite", { actor, reason }), (current) => {
        if (current === undefined && !view.isBuiltIn(name)) return record;
        throw HeliosError.of("SUITE_ALREADY_EXISTS", { name });
      });
      if (resource === undefined) throw suiteNotFound(name);
      return describeCreated(resource);
    },

    async delete(name, by) {
      if (view.isBuiltIn(name)) throw HeliosError.of("SUITE_BUILT_IN", { name });
      const deleted = await collection.delete(name, causeOf("DeleteSuite", by), undefined, by?.etag);
      if (deleted === undefined) throw suiteNotFound(name);
      return describeCreated(deleted);
    },
  };
}
