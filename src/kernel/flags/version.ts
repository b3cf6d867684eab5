/**
 * The version of the rules by which flags are decided. A change that decides a flag in a new way raises it, and raises the
 * version that such flags need. A kernel with a lower version must not decide them.
 */
export const KERNEL_VERSION = 1;
