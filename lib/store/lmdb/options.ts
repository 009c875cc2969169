/** How a store in a folder is opened. */
export interface LmdbStoreOptions {
  /** Made, with the folders above it, if it is not there. */
  readonly folder: string
  /**
   * What an acknowledged commit survives.
   * 'power-loss': everything, as far as the disk keeps what it says it has flushed; a commit waits for one flush, or for two where it
   * goes to LMDB itself.
   * 'process-crash': the death of the process by any cause, because the kernel has the data; it waits for no flush. A power
   * cut or a crash of the machine may then lose what the kernel had not written yet, and, as nothing orders these writes,
   * may leave a file that cannot be read: keep a backup, or only what can be done again.
   */
  readonly durability: 'power-loss' | 'process-crash'
  /** Commits are refused with StoreUnavailableError when they would leave less room on the disk. Defaults to DEFAULT_MIN_FREE_BYTES. */
  readonly minFreeBytes?: number
  /**
   * How much of the journals is kept in order of arrival, in memory and in the file, before it is folded into the order of
   * runs. It is read once when the store is opened. Defaults to DEFAULT_HOT_JOURNAL_BYTES.
   */
  readonly hotJournalBytes?: number
  /** Defaults to DEFAULT_LOG_LIMITS. */
  readonly logLimits?: LogLimits
}

export interface LogLimits {
  /** Size of the commit log's file, made when a store is opened; what is in it is written to LMDB when a store is opened that was not closed. */
  readonly fileBytes: number
  /** So much of the log waits for LMDB at most before a commit takes it there. */
  readonly pendingBytes: number
  /** When reads want LMDB to have what was just committed again and again, the log does not pay: it is left out for so many commits. */
  readonly commitsWithout: number
}

/** 64 MiB: what LMDB may need to write a large commit and its free list, several times over. */
export const DEFAULT_MIN_FREE_BYTES = 64 * 2 ** 20

/** 4 MiB: some 40,000 small entries, read in about 20 ms. */
export const DEFAULT_HOT_JOURNAL_BYTES = 4 * 2 ** 20

/** 2 MiB, half of them pending: some 8,000 small steps, written to LMDB in some 5 ms. */
export const DEFAULT_LOG_LIMITS: LogLimits = { fileBytes: 2 * 2 ** 20, pendingBytes: 2 ** 20, commitsWithout: 32 }
