/** A part of a path between two slashes. */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  /** The value of a field of the request. `flag.name` is the field `name` of the field `flag`. */
  | { readonly kind: "variable"; readonly field: string };

/** Parses the path of a google.api.http option. Only literals and variables of one segment are supported. */
export function parseTemplate(path: string): readonly Segment[] {
  if (!path.startsWith("/")) throw new Error(`path ${path} must begin with a slash`);
  return path.slice(1).split("/").map(parseSegment);
}

function parseSegment(text: string): Segment {
  const [, field] = /^\{([a-z][a-z0-9_.]*)\}$/.exec(text) ?? [];
  if (field !== undefined) return { kind: "variable", field };
  if (/^[a-z0-9-]+$/.test(text)) return { kind: "literal", text };
  throw new Error(`path segment ${text} must be lower-case words with hyphens, or {field}`);
}
