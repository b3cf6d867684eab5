import type { DescMessage } from "@bufbuild/protobuf";

/** Whether protobuf's JSON has a special form for a message type, as for times. */
export function isWellKnown({ typeName }: DescMessage): boolean {
  return typeName.startsWith("google.protobuf.");
}

/** Whether that form is any JSON value. */
export function isFreeJson({ typeName }: DescMessage): boolean {
  return (
    typeName === "google.protobuf.Struct" ||
    typeName === "google.protobuf.Value" ||
    typeName === "google.protobuf.ListValue"
  );
}
