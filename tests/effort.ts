/** Whether `npm run test:long` runs the tests, which takes its time. */
export const IS_LONG = process.env.LONG_TESTS === "1";

/** How often something random is tried: by `npm test`, and by `npm run test:long`. */
export const times = (usually: number, long: number): number => (IS_LONG ? long : usually);
