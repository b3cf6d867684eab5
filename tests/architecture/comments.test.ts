import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const CONTRACT = join(import.meta.dirname, "../../proto/helios/v1");

/** A field of a message, with the text of its comment. */
interface Field {
  readonly comment: string;
  readonly name: string;
  /** Where it is, such as `status_service.proto: Event.time`. */
  readonly place: string;
}

function fieldsOf(file: string): readonly Field[] {
  const fields: Field[] = [];
  let message = "";
  let comment: string[] = [];
  for (const line of readFileSync(join(CONTRACT, file), "utf8")
    .split("\n")
    .map((text) => text.trim())) {
    message = /^message (\w+)/.exec(line)?.[1] ?? (/^enum \w+/.test(line) ? "" : message);
    if (line.startsWith("//")) {
      comment.push(line.slice(2).trim());
      continue;
    }
    const name = /^(?:repeated |optional )?[\w.<>, ]+ (\w+) = \d+/.exec(line)?.[1];
    if (name !== undefined && message !== "") {
      fields.push({ comment: comment.join(" "), name, place: `${file}: ${message}.${name}` });
    }
    if (line !== "") comment = [];
  }
  return fields;
}

describe("the comments of the contract", () => {
  const fields = readdirSync(CONTRACT).flatMap(fieldsOf);

  it("are found", () => {
    expect(fields.length).toBeGreaterThan(500);
    expect(fields.filter(({ comment }) => comment === "")).toEqual([]);
  });

  // The comment of another field is easily copied, and then says something that is not true.
  it("say something of their own of fields with different names", () => {
    const first = new Map<string, Field>();
    const copied = fields.filter((field) => {
      const other = first.get(field.comment);
      first.set(field.comment, other ?? field);
      return other !== undefined && other.name !== field.name;
    });
    expect(copied.map(({ place, comment }) => `${place}: ${comment}`)).toEqual([]);
  });
});
