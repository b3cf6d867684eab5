/**
 * Whether so many of so many are at least that share. A quotient is rounded once, to the number that the same share is
 * when it is written as a decimal, so that 7 of 100 reach 0.07; a product such as 0.07 × 100 is not (7.000000000000001).
 */
export const reaches = (count: number, all: number, rate: number): boolean => all > 0 && count / all >= rate;

/** Whether they are more than that share. */
export const exceeds = (count: number, all: number, rate: number): boolean => all > 0 && count / all > rate;
