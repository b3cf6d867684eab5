import type { DescMethod, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { HeliosError } from "../../core/index.ts";
import { type HttpRequest, header } from "./http.ts";

/** Etags that one `If-Match` header may name; more are refused with `HTTP_HEADER_INVALID`. @limit etags */
const MAX_IF_MATCH_ETAGS = 10;

/** RFC 9110, 8.8.3; also an etag without quotes, as people write it. */
const TAGS = /^\s*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"|([A-Za-z0-9._~+/=*-]+))\s*(?:,|$)/;

/**
 * Returns the etags of which the resource must have one, from If-Match (RFC 9110, 13.1.1). `*` matches any. A weak etag
 * keeps its mark, and so matches none. Undefined without a condition. Throws HTTP_HEADER_INVALID if the header cannot be
 * parsed, or if the RPC cannot check it.
 */
export function etagsOf(request: HttpRequest, { input, idempotency }: DescMethod): readonly string[] | undefined {
  // A method that only reads cannot overwrite anything.
  if (idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) return undefined;
  for (const name of ["if-none-match", "if-unmodified-since"]) {
    if (request.headers[name] !== undefined) throw headerInvalid(name, "is not supported; use If-Match with an etag");
  }
  const text = header(request, "if-match");
  if (request.headers["if-match"] === undefined) return undefined;
  if (!input.fields.some(({ name }) => name === "etag")) {
    throw headerInvalid(
      "if-match",
      "is not supported by this method, because it does not change a single resource with an etag",
    );
  }
  const etags = new Set(readTags(text));
  if (etags.has("*") && etags.size > 1) throw headerInvalid("if-match", "must contain either * or etags, not both");
  if (etags.size > MAX_IF_MATCH_ETAGS) throw headerInvalid("if-match", `names more than ${MAX_IF_MATCH_ETAGS} etags`);
  return [...etags];
}

function readTags(text: string): string[] {
  const tags: string[] = [];
  let rest = text;
  do {
    const [all = "", weak = "", quoted, bare] = TAGS.exec(rest) ?? [];
    const tag = quoted ?? bare;
    if (all === "" || tag === undefined || tag === "")
      throw headerInvalid("if-match", 'must be etags in quotes, such as "6ba7b810-1f", or *');
    tags.push(weak === "" ? tag : `W/"${tag}"`);
    rest = rest.slice(all.length);
  } while (rest.trim() !== "");
  return tags;
}

export function headerInvalid(name: string, problem: string): HeliosError {
  return HeliosError.of("HTTP_HEADER_INVALID", { header: name, problem });
}

/** Returns the header with the etag of the resource in an answer. A deleted resource has no etag. */
export function etagHeader(verb: string, answer: JsonValue): Readonly<Record<string, string>> {
  if (verb === "DELETE" || typeof answer !== "object" || answer === null || Array.isArray(answer)) return {};
  const etags = Object.values(answer as JsonObject).flatMap((value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
    return typeof value.etag === "string" && value.etag !== "" ? [value.etag] : [];
  });
  return etags.length === 1 ? { etag: `"${etags[0]}"` } : {};
}
