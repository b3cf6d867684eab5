/** Size at which a log file is put aside and a new one is begun. @limit bytes, HELIOS_LOG_MAX_BYTES */
export const DEFAULT_LOG_MAX_BYTES = 10 * 1024 * 1024;
/** Older files that are kept of each log; the oldest is deleted beyond them. @limit files, HELIOS_LOG_KEEP */
export const DEFAULT_LOG_KEEP = 5;
