import type { Program } from "../../src/kernel/flags/condition/program.ts";
import { Duration, Timestamp, TypeValue, Uint } from "../../src/kernel/flags/condition/values.ts";

/** Serializes a program for another process of this repository. */
export function programText(program: Program): string {
  return JSON.stringify(program, (_, value: unknown) => {
    if (typeof value === "bigint") return { int: `${value}` };
    if (value instanceof Uint) return { uint: `${value.value}` };
    if (value instanceof Timestamp) return { timestamp: `${value.ns}` };
    if (value instanceof Duration) return { duration: `${value.ns}` };
    if (value instanceof TypeValue) return { type: value.name };
    if (value instanceof Uint32Array) return { bounds: [...value] };
    return value instanceof Uint8Array ? { bytes: [...value] } : value;
  });
}

export function programFrom(text: string): Program {
  return JSON.parse(text, (_, value: Record<string, unknown> | null) => {
    if (typeof value !== "object" || value === null || Object.keys(value).length !== 1) return value;
    if (typeof value.int === "string") return BigInt(value.int);
    if (typeof value.uint === "string") return new Uint(BigInt(value.uint));
    if (typeof value.timestamp === "string") return new Timestamp(BigInt(value.timestamp));
    if (typeof value.duration === "string") return new Duration(BigInt(value.duration));
    if (typeof value.type === "string") return new TypeValue(value.type);
    if (Array.isArray(value.bounds)) return Uint32Array.from(value.bounds as number[]);
    return Array.isArray(value.bytes) ? Uint8Array.from(value.bytes as number[]) : value;
  }) as Program;
}
