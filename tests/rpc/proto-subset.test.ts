import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { fromBinary, getOption, isFieldSet } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { field, file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, it } from "vitest";
import { FlagSchema } from "../../gen/helios/v1/flag_pb.ts";

const FILE = "buf/validate/validate.proto";
const original = file_buf_validate_validate.proto;
const subset = compiled();

describe("the subset of buf.validate", () => {
  it("has the package and syntax of the original", () => {
    expect([subset.package, subset.syntax, subset.edition]).toEqual([
      original.package,
      original.syntax,
      original.edition,
    ]);
  });

  it("declares every extension as the original does", () => {
    expect(subset.extension.map(({ name }) => name)).toEqual(["message", "oneof", "field"]);
    for (const extension of subset.extension) {
      expect(wire(extension)).toEqual(wire(byName(original.extension, extension.name)));
      expect(extension.extendee).toBe(byName(original.extension, extension.name).extendee);
    }
  });

  it.each(subset.messageType.map((message) => [message.name, message] as const))(
    "%s has the fields of the original",
    (name, message) => {
      const theirs = byName(original.messageType, name);
      expect(message.field.length).toBeGreaterThan(0);
      for (const each of message.field) {
        expect(inOneof(each, message)).toEqual(inOneof(byName(theirs.field, each.name), theirs));
      }
    },
  );

  it.each(subset.enumType.map((each) => [each.name, each] as const))(
    "%s has the numbers of the original",
    (name, each) => {
      expect(values(each)).toEqual(
        values(byName(original.enumType, name)).filter(([value]) => each.value.some((own) => own.name === value)),
      );
    },
  );

  it("writes rules that the original implementation reads", () => {
    const rules = getOption(FlagSchema.field.name, field);
    expect(rules.type.case).toBe("string");
    expect(rules.$unknown ?? []).toEqual([]);
    expect(rules.type.value).toMatchObject({ minLen: 1n, maxLen: 128n });
  });
});

/** The subset as the compiler understands it. */
function compiled(): FileDescriptorProto {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const image = execFileSync(`${root}/node_modules/.bin/buf`, ["build", "-o", "-#format=binpb"], { cwd: root });
  return byName(fromBinary(FileDescriptorSetSchema, image).file, FILE);
}

function byName<T extends { readonly name: string }>(list: readonly T[], name: string): T {
  const found = list.find((each) => each.name === name);
  if (found === undefined) throw new Error(`the original has no ${name}`);
  return found;
}

/** The properties that decide the encoding of a field. */
const wire = ({ name, number, type, typeName, label, options, defaultValue }: FieldDescriptorProto) => ({
  name,
  number,
  type,
  typeName,
  label,
  packed: options?.packed ?? false,
  defaultValue,
});

const inOneof = (each: FieldDescriptorProto, message: DescriptorProto) => ({
  ...wire(each),
  oneof: isFieldSet(each, FieldDescriptorProtoSchema.field.oneofIndex)
    ? message.oneofDecl[each.oneofIndex]?.name
    : undefined,
});

const values = (each: EnumDescriptorProto): [string, number][] => each.value.map(({ name, number }) => [name, number]);
