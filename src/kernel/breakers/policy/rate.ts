/**
 * Whether `count` of `all` are at least that share. It divides rather than multiplies: 7 / 100 is rounded to the same number as
 * the decimal 0.07, but 0.07 × 100 is 7.000000000000001.
 */
export const reaches = (count: number, all: number, rate: number): boolean => all > 0 && count / all >= rate;

/** Whether `count` of `all` are more than that share. */
export const exceeds = (count: number, all: number, rate: number): boolean => all > 0 && count / all > rate;
