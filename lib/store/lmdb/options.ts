/** How a store in a folder is opened. */
export interface LmdbStoreOptions {
  /** Made, with the folders above it, if it is not there. */
  readonly folder: string
  /**
   * What an acknowledged commit survives.
   * 'power-loss': everything, as far as the disk keeps what it says it has flushed; each commit waits for two flushes.
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
}

/** 64 MiB: what LMDB may need to write a large commit and its free list, several times over. */
export const DEFAULT_MIN_FREE_BYTES = 64 * 2 ** 20

/** 4 MiB: some 40,000 small entries, read in about 20 ms. */
export const DEFAULT_HOT_JOURNAL_BYTES = 4 * 2 ** 20
