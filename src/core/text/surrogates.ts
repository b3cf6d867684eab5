/** The violation of a text that cannot be written as UTF-8. Binary protocols and files would change such a text. */
export const HALF_A_CHARACTER = {
  problem: "it has half a character (a lone surrogate)",
  expected: "a text of whole characters",
};
