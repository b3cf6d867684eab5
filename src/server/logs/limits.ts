/** Size at which a log file is rotated. @limit bytes, HELIOS_LOG_MAX_BYTES */
export const DEFAULT_LOG_MAX_BYTES = 10 * 1024 * 1024;
/** Rotated files that are kept of each log; beyond them the oldest is deleted. @limit files, HELIOS_LOG_KEEP */
export const DEFAULT_LOG_KEEP = 5;
