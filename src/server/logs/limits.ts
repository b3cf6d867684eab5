/** The size, in bytes, at which a log file is put aside, unless `HELIOS_LOG_MAX_BYTES` sets it. */
export const DEFAULT_LOG_MAX_BYTES = 10 * 1024 * 1024;
/** How many older files of each log are kept, unless `HELIOS_LOG_KEEP` sets it. */
export const DEFAULT_LOG_KEEP = 5;
