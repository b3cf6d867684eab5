import type { AnyDesc, DescFile, DescMessage } from "@bufbuild/protobuf";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Returns the comment of a part of the contract. */
export type CommentOf = (desc: AnyDesc) => string;

/** Reads the comments from a `buf build` image, because the generated code does not have them. */
export function readComments(image: Uint8Array): CommentOf {
  const comments = new Map<string, string>();
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
  for (const file of registry.files) addFile(file, comments);
  return (desc) => comments.get(keyOf(desc)) ?? "";
}

/** The key includes the kind, because an enum value and a message may have the same name. */
const keyOf = (desc: AnyDesc): string => `${desc.kind} ${desc.toString()}`;

function addFile(file: DescFile, comments: Map<string, string>): void {
  const byPath = new Map<string, string>();
  for (const { path, leadingComments } of file.proto.sourceCodeInfo?.location ?? []) {
    if (leadingComments !== "") byPath.set(path.join("."), plain(leadingComments));
  }
  const add = (desc: AnyDesc, path: string): void => {
    const comment = byPath.get(path);
    if (comment !== undefined) comments.set(keyOf(desc), comment);
  };
  const addMessage = (message: DescMessage, path: string): void => {
    add(message, path);
    // Numbers of google.protobuf.FileDescriptorProto and its parts.
    for (const [index, field] of message.fields.entries()) add(field, `${path}.2.${index}`);
    for (const [index, nested] of message.nestedMessages.entries()) addMessage(nested, `${path}.3.${index}`);
  };
  for (const [index, message] of file.messages.entries()) addMessage(message, `4.${index}`);
  for (const [index, desc] of file.enums.entries()) {
    add(desc, `5.${index}`);
    for (const [at, value] of desc.values.entries()) add(value, `5.${index}.2.${at}`);
  }
  for (const [index, service] of file.services.entries()) {
    add(service, `6.${index}`);
    for (const [at, method] of service.methods.entries()) add(method, `6.${index}.2.${at}`);
  }
}

function plain(comment: string): string {
  return comment
    .split("\n")
    .map((line) => line.trim())
    .join(" ")
    .trim();
}
