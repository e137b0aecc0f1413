/** Threads of the fast path for each address and port that UDP is served on. Each costs about 8 MiB. */
export const DEFAULT_FAST_PATH_WORKERS = 1
export const MAX_FAST_PATH_WORKERS = 16
