import type { EvaluationReason } from "../../../kernel/flags/evaluation.ts";
import { AnswerSums, MAX_COUNT, type UsageErrorCode } from "../counts/answers.ts";
import { ClientDays } from "./clients.ts";

/** What is stored of a flag's usage for one day. */
export interface UsageDay {
  /** Wall time in ms at which recording began anew on this day, because the flag was deleted. Undefined: it did not. */
  readonly since: number | undefined;
  readonly sums: AnswerSums;
}

export function writeDay({ since, sums }: UsageDay): string {
  const rows = [...sums.values()].map(({ variant, reason, errorCode, count, lastTime }) =>
    errorCode === undefined ? [variant, reason, count, lastTime] : [variant, reason, count, lastTime, errorCode],
  );
  return JSON.stringify(since === undefined ? { answers: rows } : { since, answers: rows });
}

/** Reads what `writeDay` wrote. What cannot be read is left out, because no request should fail for it. */
export function readDay(text: string | undefined): UsageDay {
  const { since, answers } = membersOf(text);
  const sums = new AnswerSums();
  for (const row of Array.isArray(answers) ? answers : []) {
    if (!Array.isArray(row)) continue;
    const [variant, reason, count, lastTime, errorCode] = row as readonly unknown[];
    if (typeof variant !== "string" || typeof reason !== "string" || !isCount(count) || !isTime(lastTime)) continue;
    sums.add({
      variant,
      reason: reason as EvaluationReason,
      errorCode: typeof errorCode === "string" ? (errorCode as UsageErrorCode) : undefined,
      count,
      lastTime,
    });
  }
  return { since: isTime(since) ? since : undefined, sums };
}

/** Digits of a client's number, in base 36. 2^48 has ten. */
const DIGITS = 10;

export function writeClients(clients: ClientDays): string {
  const byDay: Record<string, string> = {};
  for (const [client, day] of clients.entries()) {
    byDay[day] = (byDay[day] ?? "") + client.toString(36).padStart(DIGITS, "0");
  }
  return JSON.stringify({ forgotten: clients.forgotten, days: byDay });
}

/** Reads what `writeClients` wrote. What cannot be read is left out. */
export function readClients(text: string | undefined): ClientDays {
  const { forgotten, days } = membersOf(text);
  const entries = Object.entries(typeof days === "object" && days !== null ? days : {});
  const notes = entries.flatMap(([day, numbers]) =>
    chunksOf(String(numbers)).map((digits) => [Number.parseInt(digits, 36), Number(day)] as const),
  );
  const readable = notes.filter(([client, day]) => Number.isSafeInteger(client) && Number.isSafeInteger(day));
  return new ClientDays(readable, isTime(forgotten) ? forgotten : 0);
}

function chunksOf(text: string): readonly string[] {
  return Array.from({ length: Math.floor(text.length / DIGITS) }, (_, at) =>
    text.slice(at * DIGITS, (at + 1) * DIGITS),
  );
}

function membersOf(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isCount = (value: unknown): value is number => isTime(value) && value >= 1 && value <= MAX_COUNT;
