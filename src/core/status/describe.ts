/** A field whose changes are described, and how its value is shown. */
export interface DescribedField<T> {
  readonly label: string;
  /** Undefined if the field is not shown for this record. */
  readonly of: (record: T) => string | undefined;
}

/**
 * Describes how two records differ: `created PERCENTAGE, 25 %`, `enabled off -> on, 25 % -> 50 %`, `deleted`. If only other
 * fields differ, returns `changed`.
 */
export function describeChange<T>(
  before: T | undefined,
  after: T | undefined,
  fields: readonly DescribedField<T>[],
): string {
  if (after === undefined) return "deleted";
  if (before === undefined)
    return ["created", ...fields.map((field) => labelled(field, after))].filter(Boolean).join(" ");
  const changes = fields.flatMap((field) => {
    const [old, now] = [field.of(before), field.of(after)];
    if (old === now) return [];
    return [`${field.label === "" ? "" : `${field.label} `}${old ?? "none"} -> ${now ?? "none"}`];
  });
  return changes.length === 0 ? "changed" : changes.join(", ");
}

function labelled<T>({ label, of }: DescribedField<T>, record: T): string {
  const value = of(record);
  if (value === undefined) return "";
  return label === "" ? value : `${label} ${value}`;
}
