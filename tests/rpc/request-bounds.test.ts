import { type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { type FieldRules, field as rulesOf } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, it } from "vitest";
import { SERVICES } from "../../src/server/contract.ts";

const FREE_JSON = "free JSON: the 4 MiB of a request bound it, its depth is bounded by the decoder";

/** Request fields without a rule of their own, and where each is limited instead. */
const BOUNDED_ELSEWHERE: Readonly<Record<string, string>> = {
  "helios.v1.InvokeModuleRequest.binary": "the input of a module's method: the 4 MiB of a request; it is not stored",
  "helios.v1.InvokeModuleRequest.json": "the input of a module's method: the 4 MiB of a request; it is not stored",
  "helios.v1.EvaluationContext.attributes": `${FREE_JSON}; it is not stored`,
  "helios.v1.Variant.value": `${FREE_JSON}; 16,384 characters of JSON when the flag is written`,
  "helios.v1.Flag.metadata": `${FREE_JSON}; 16,384 characters of JSON when the flag is written`,
  "helios.v1.RegisterModuleRequest.config": `${FREE_JSON}; 256 KiB when it is written`,
  "helios.v1.SwapModuleRequest.config": `${FREE_JSON}; 256 KiB when it is written`,
  "helios.v1.ModuleSwap.config": `${FREE_JSON}; 256 KiB when it is written`,
  "helios.v1.RegisterModuleRequest.test_stubs": `${FREE_JSON}; 256 KiB when it is written`,
  "helios.v1.TestSuite.stubs": `${FREE_JSON}; 256 KiB when it is written`,
  "helios.v1.RunTestsRequest.stubs": `${FREE_JSON}; 256 KiB when the run begins`,
  "helios.v1.TestModuleRequest.stubs": `${FREE_JSON}; 256 KiB when the run begins`,
  "helios.v1.RunTestsRequest.config": `${FREE_JSON}; 256 KiB when the run begins`,
  "helios.v1.TestModuleRequest.config": `${FREE_JSON}; 256 KiB when the run begins`,
  "helios.v1.OpenTrialRequest.config": `${FREE_JSON}; 256 KiB when the trial is opened`,
  "helios.v1.OpenTrialRequest.stubs": `${FREE_JSON}; 256 KiB when the trial is opened`,
  "helios.v1.TestResult.message": "the 4 MiB of a request; 1,000 characters of it are kept",
  "helios.v1.TestResult.output": `${FREE_JSON}; 4,096 bytes of it are kept`,
  "helios.v1.ReloadHook.input": `${FREE_JSON}; 1 MiB of the whole registration when it is written`,
  "helios.v1.TestCase.input": `${FREE_JSON}; 1 MiB of the whole suite when it is written`,
  "google.protobuf.FieldMask.paths": "at most 100 paths: a rule of each request that has a mask",
  "helios.v1.TestSuite.default_config": "output only: it is not looked at",
};

const FREE = new Set(["google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"]);
const WELL_KNOWN = /^google\.protobuf\.(Timestamp|Duration)$/;

/** Messages that callers receive, and that the service ignores when they send them back. */
const OUTPUT_ONLY: ReadonlySet<string> = new Set(["helios.v1.ConditionProgram"]);

function collect(desc: DescMessage, fields: Map<string, DescField>): void {
  for (const one of desc.fields) {
    const name = `${desc.typeName}.${one.name}`;
    if (fields.has(name)) continue;
    fields.set(name, one);
    const { message } = one;
    const isOpaque = message === undefined || FREE.has(message.typeName) || OUTPUT_ONLY.has(message.typeName);
    if (!isOpaque && !WELL_KNOWN.test(message.typeName)) collect(message, fields);
  }
}

/** The problem of a field without a limit. */
function unbounded(one: DescField): string[] {
  const rules: FieldRules | undefined = hasOption(one, rulesOf) ? getOption(one, rulesOf) : undefined;
  switch (one.fieldKind) {
    case "list": {
      const list = rules?.type.case === "repeated" ? rules.type.value : undefined;
      return [
        ...(list !== undefined && list.maxItems > 0n ? [] : ["max_items"]),
        ...(one.listKind === "scalar" ? unboundedScalar(one.scalar, list?.items) : []),
        ...(one.listKind === "message" && FREE.has(one.message.typeName) ? ["free JSON"] : []),
      ];
    }
    case "map": {
      const map = rules?.type.case === "map" ? rules.type.value : undefined;
      return [
        ...(map !== undefined && map.maxPairs > 0n ? [] : ["max_pairs"]),
        ...unboundedScalar(one.mapKey, map?.keys),
        ...(one.mapKind === "scalar" ? unboundedScalar(one.scalar, map?.values) : []),
      ];
    }
    case "scalar":
      return unboundedScalar(one.scalar, rules);
    case "message":
      return FREE.has(one.message.typeName) ? ["free JSON"] : [];
    default:
      return [];
  }
}

function unboundedScalar(scalar: ScalarType, rules: FieldRules | undefined): string[] {
  if (scalar === ScalarType.BYTES)
    return rules?.type.case === "bytes" && rules.type.value.maxLen > 0n ? [] : ["max_len"];
  if (scalar !== ScalarType.STRING) return [];
  const text = rules?.type.case === "string" ? rules.type.value : undefined;
  const isFixed = text?.wellKnown.case === "uuid" || /^\^?\(?\[[^\]]+\]\{\d+\}\)?\??\$$/.test(text?.pattern ?? "");
  return isFixed || (text?.maxLen ?? 0n) > 0n || (text?.len ?? 0n) > 0n ? [] : ["max_len"];
}

const FIELDS = new Map<string, DescField>();
for (const { input } of SERVICES.flatMap(({ methods }) => methods)) collect(input, FIELDS);

describe("every field of every request", () => {
  it.each([...FIELDS])("%s has a limit, or is limited elsewhere", (name, one) => {
    const missing = unbounded(one);
    if (name in BOUNDED_ELSEWHERE) expect(missing).not.toEqual([]);
    else expect(missing).toEqual([]);
  });

  it("a field that is listed as limited elsewhere exists", () => {
    expect(Object.keys(BOUNDED_ELSEWHERE).filter((name) => !FIELDS.has(name))).toEqual([]);
  });
});
