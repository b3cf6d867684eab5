/** What is wrong with a text that UTF-8 has no bytes for: binary protocols and files would make another text of it. */
export const HALF_A_CHARACTER = {
  problem: "it has half a character (a lone surrogate)",
  expected: "a text of whole characters",
};
