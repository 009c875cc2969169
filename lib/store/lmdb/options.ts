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
}

/** 64 MiB: what LMDB may need to write a large commit and its free list, several times over. */
export const DEFAULT_MIN_FREE_BYTES = 64 * 2 ** 20
