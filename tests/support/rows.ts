import { it } from "vitest";
import { SOAK } from "./soak.ts";

/** Tests the rows of a table: the first ones in `npm test`, and the others in `npm run test:soak`. */
export function itInRows<Row extends unknown[] | [unknown]>(
  first: number,
  rows: readonly Row[],
): (name: string, body: (...row: Row) => Promise<void> | void) => void {
  return (name, body) => {
    it.each(rows.slice(0, first))(name, (...row) => body(...(row as Row)));
    it.each(rows.slice(first))(name, SOAK, (...row) => body(...(row as Row)));
  };
}
