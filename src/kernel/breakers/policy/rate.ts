/**
 * Whether `count` of `all` are at least that share. A quotient is rounded once, to the very number that the same share has
 * when it is written as a decimal, so that 7 of 100 reach 0.07. The product 0.07 × 100 would be 7.000000000000001.
 */
export const reaches = (count: number, all: number, rate: number): boolean => all > 0 && count / all >= rate;

/** Whether `count` of `all` are more than that share. */
export const exceeds = (count: number, all: number, rate: number): boolean => all > 0 && count / all > rate;
