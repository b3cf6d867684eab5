import { clone, type DescFile } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Interceptor } from "@connectrpc/connect";
import { ANSWERS, answersWriter } from "../map/presence.ts";
import { changingAnswers } from "./answers.ts";

/** Writes the value false explicitly for the fields in `ANSWERS`, in every message that a call answers with. */
export function createPresence(): Interceptor {
  return changingAnswers(answersWriter);
}

/** Returns a file for server reflection, in which its fields from `ANSWERS` have presence. */
export function withPresence(file: DescFile): FileDescriptorProto {
  const messages = file.messages.filter(({ fields }) => fields.some((field) => ANSWERS.has(field)));
  if (messages.length === 0) return file.proto;
  const shown = clone(FileDescriptorProtoSchema, file.proto);
  for (const { name, fields } of messages) {
    const message = shown.messageType.find((each) => each.name === name);
    for (const field of message?.field ?? []) {
      if (!fields.some((each) => each.name === field.name && ANSWERS.has(each))) continue;
      field.proto3Optional = true;
      // As protoc does: an optional field of proto3 is alone in a oneof, which comes after the explicit ones.
      field.oneofIndex = (message?.oneofDecl.push({ ...ONEOF, name: `_${field.name}` }) ?? 0) - 1;
    }
  }
  return shown;
}

const ONEOF = { $typeName: "google.protobuf.OneofDescriptorProto" as const };
