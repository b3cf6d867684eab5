import type { Field } from "./header-decoder.ts";

/** Fields that the table of every connection contains from the start. */
const KNOWN: Readonly<Record<string, number>> = { ":method POST": 0x83, ":scheme http": 0x86 };
const FIRST_OWN = 62;
const MIN_TABLE_BYTES = 4096;

/** The same header fields as two blocks: for the first request of a connection, and for all others. */
export interface HeaderBlocks {
  readonly first: Buffer;
  readonly next: Buffer;
}

/**
 * Encodes fields as gRPC clients do: the first request puts them into the table of the connection, the others name them by
 * their places. If the peer keeps no table of 4 KiB, each block spells all fields out.
 */
export function headerBlocks(fields: readonly Field[], peerTableBytes = MIN_TABLE_BYTES): HeaderBlocks {
  const isKept = peerTableBytes >= MIN_TABLE_BYTES;
  const own = fields.filter(([name, value]) => KNOWN[`${name} ${value}`] === undefined);
  // A client says so when it stops to use the table.
  const first: number[] = isKept ? [] : [0x20];
  const next: number[] = [];
  for (const [name, value] of fields) {
    const known = KNOWN[`${name} ${value}`];
    if (known !== undefined) {
      first.push(known);
      next.push(known);
      continue;
    }
    const spelled = [...text(name), ...text(value)];
    first.push(isKept ? 0x40 : 0, ...spelled);
    // The table begins with the field that was added last.
    const place = FIRST_OWN + own.length - 1 - own.findIndex(([each]) => each === name);
    next.push(...(isKept ? [0x80 | place] : [0, ...spelled]));
  }
  return { first: Buffer.from(first), next: Buffer.from(next) };
}

function text(value: string): number[] {
  if (value.length > 126) throw new Error(`a header has ${value.length} bytes, but at most 126 are expected`);
  return [value.length, ...Buffer.from(value, "latin1")];
}
