import type { MessageInitShape } from "@bufbuild/protobuf";
import { NullValue, type ValueSchema } from "@bufbuild/protobuf/wkt";

type Kind = NonNullable<MessageInitShape<typeof ValueSchema>["kind"]>;

/**
 * JSON as the initializer of a google.protobuf.Value. The encoder of answers writes the JSON itself. Whoever creates the
 * message reads `kind`, and only then is the JSON converted.
 */
export class JsonValueInit {
  readonly json: unknown;

  constructor(json: unknown) {
    this.json = json;
  }

  /** Not set for a value that JSON does not have. */
  get kind(): Kind {
    const { json } = this;
    switch (typeof json) {
      case "string":
        return { case: "stringValue", value: json };
      case "number":
        return { case: "numberValue", value: json };
      case "boolean":
        return { case: "boolValue", value: json };
      case "object":
        return json === null ? { case: "nullValue", value: NullValue.NULL_VALUE } : nested(json);
      default:
        return { case: undefined };
    }
  }
}

function nested(json: object): Kind {
  if (Array.isArray(json)) {
    return { case: "listValue", value: { values: json.map((one: unknown) => new JsonValueInit(one)) } };
  }
  const members = Object.entries(json).map(([name, one]) => [name, new JsonValueInit(one)] as const);
  return { case: "structValue", value: { fields: Object.fromEntries(members) } };
}
