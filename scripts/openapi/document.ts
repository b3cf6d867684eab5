import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { ERRORS } from "../../src/core/index.ts";
import { SERVICES } from "../../src/server/contract.ts";
import { createRoutes, type Route } from "../../src/server/rest/routes.ts";
import type { CommentOf } from "./comments.ts";
import { createSchemas, isRequired, type Schema, type Schemas } from "./schemas.ts";

/** The REST API as an OpenAPI 3.1 document, generated from the contract. */
export function openapiDocument(commentOf: CommentOf, version: string): Schema {
  const schemas = createSchemas(commentOf);
  const paths: Record<string, Record<string, Schema>> = {};
  const { all } = createRoutes(SERVICES);
  for (const route of all) {
    const ways = all.filter(({ rpc }) => rpc === route.rpc);
    const operation = operationOf(route, ways.indexOf(route), schemas, commentOf);
    const path = pathOf(route);
    paths[path] = { ...paths[path], [route.verb.toLowerCase()]: operation };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Helios",
      version,
      description:
        "Runtime control plane of a trading system. The same services are served as gRPC, gRPC-Web and Connect on the same port.",
    },
    // Relative to the document, so that it works behind a proxy.
    servers: [{ url: "." }],
    tags: SERVICES.map((service) => ({ name: tagOf(service.name), description: commentOf(service) })),
    paths,
    components: { schemas: { ...sorted(schemas.components), Error: ERROR } },
  };
}

/** Routes that differ only in the HTTP method share one path, even if their fields have different names. */
function pathOf({ segments }: Route): string {
  const parts = segments.map((segment) => (segment.kind === "literal" ? segment.text : `{${lastName(segment.field)}}`));
  return `/${parts.join("/")}`;
}

const lastName = (field: string): string => field.split(".").at(-1) ?? field;

/** `way` numbers the routes of one RPC. */
function operationOf(route: Route, way: number, schemas: Schemas, commentOf: CommentOf): Schema {
  const { rpc } = route;
  const comment = commentOf(rpc);
  const [summary = ""] = comment.split(/(?<=\.) /);
  const body = bodyOf(route, schemas);
  return {
    operationId: way === 0 ? rpc.name : `${rpc.name}_${way + 1}`,
    tags: [tagOf(rpc.parent.name)],
    summary,
    description: comment,
    parameters: [...pathParameters(route, schemas), ...queryParameters(route, schemas)],
    ...(body === undefined ? {} : { requestBody: body }),
    responses: {
      "200": { description: "Done.", content: contentOf(route, schemas) },
      default: {
        description: "Refused or failed; `reason` says why.",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
    ...(reasonsOf(comment).length === 0 ? {} : { "x-error-reasons": reasonsOf(comment) }),
    ...(rpc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS ? { "x-no-side-effects": true } : {}),
  };
}

/** The reasons in an RPC's comment. */
function reasonsOf(comment: string): readonly string[] {
  return Object.keys(ERRORS).filter((reason) => new RegExp(`\\b${reason}\\b`).test(comment));
}

function contentOf({ rpc }: Route, schemas: Schemas): Schema {
  const schema = schemas.message(rpc.output, "output");
  if (rpc.methodKind === "unary") return { "application/json": { schema } };
  const description = "One message for each line; the last is an Error where the stream fails.";
  return {
    "application/x-ndjson": { schema: { type: "string", description: `${description} Each is a ${rpc.output.name}.` } },
    "text/event-stream": { schema: { type: "string", description: `The data of each event is a ${rpc.output.name}.` } },
  };
}

function bodyOf({ rpc, body, segments }: Route, schemas: Schemas): Schema | undefined {
  if (body === undefined) return undefined;
  const field = rpc.input.fields.find(({ name }) => name === body);
  const desc = field?.message ?? rpc.input;
  const inPath = segments.flatMap((segment) =>
    segment.kind === "variable" ? [segment.field.replace(`${body}.`, "")] : [],
  );
  const left = desc.fields.filter((one) => isRequired(one) && !inPath.includes(one.name));
  const schema = inPath.length === 0 ? schemas.message(desc, "input") : withoutRequired(desc, inPath, schemas);
  return { required: left.length > 0, content: { "application/json": { schema } } };
}

/** A field in the path is not required in the body. */
function withoutRequired(desc: DescMessage, inPath: readonly string[], schemas: Schemas): Schema {
  schemas.message(desc, "input");
  const name = desc.name.endsWith("Request") ? desc.name : `${desc.name}Input`;
  const {
    required = [],
    properties,
    ...rest
  } = schemas.components[name] as { required?: string[]; properties: Schema };
  const left = required.filter((one) => !inPath.includes(one));
  const others = Object.fromEntries(Object.entries(properties).filter(([key]) => !inPath.includes(key)));
  return { ...rest, properties: others, ...(left.length === 0 ? {} : { required: left }) };
}

function pathParameters({ rpc, segments }: Route, schemas: Schemas): Schema[] {
  return segments.flatMap((segment) => {
    if (segment.kind === "literal") return [];
    const field = fieldAt(rpc.input, segment.field);
    return [{ name: lastName(segment.field), in: "path", required: true, schema: schemas.field(field, "input") }];
  });
}

function queryParameters({ rpc, segments, body }: Route, schemas: Schemas): Schema[] {
  if (body === "*") return [];
  const inPath = segments.flatMap((segment) => (segment.kind === "variable" ? [segment.field] : []));
  const fields = rpc.input.fields.filter(({ name }) => name !== body && !inPath.includes(name));
  return fields.map((field) => {
    const schema = schemas.field(field, "input");
    const isJson = field.fieldKind === "message" && !("type" in schema && schema.type === "string");
    const where = { name: field.name, in: "query", required: isRequired(field) };
    return isJson ? { ...where, content: { "application/json": { schema } } } : { ...where, schema };
  });
}

function fieldAt(desc: DescMessage, path: string): DescField {
  const [name = "", ...rest] = path.split(".");
  const field = desc.fields.find((one) => one.name === name);
  if (field === undefined) throw new Error(`${desc.typeName} has no field ${path}`);
  return rest.length === 0 || field.message === undefined ? field : fieldAt(field.message, rest.join("."));
}

const tagOf = (service: string): string => service.replace(/Service$/, "");
const sorted = (record: Readonly<Record<string, Schema>>): Record<string, Schema> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

const ERROR: Schema = {
  type: "object",
  description: "An error.",
  required: ["error"],
  additionalProperties: false,
  properties: {
    error: {
      type: "object",
      required: ["code", "status", "reason", "message", "metadata", "violations"],
      additionalProperties: false,
      properties: {
        code: { type: "integer", description: "The HTTP status." },
        status: { type: "string", description: "The name of the gRPC code." },
        reason: {
          type: "string",
          enum: [...Object.keys(ERRORS), ""],
          description: "The stable reason, for programs. docs/errors.md lists all reasons.",
        },
        message: { type: "string", description: "For people." },
        metadata: {
          type: "object",
          additionalProperties: { type: "string" },
          description: "Every value of the message, by name.",
        },
        violations: {
          type: "array",
          description: "Every rule of the contract that the request violates.",
          items: {
            type: "object",
            required: ["field", "rule", "message"],
            additionalProperties: false,
            properties: { field: { type: "string" }, rule: { type: "string" }, message: { type: "string" } },
          },
        },
      },
    },
  },
};
