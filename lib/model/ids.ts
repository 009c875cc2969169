/** Ids of runs. */

/** Longest id, name, topic, tag or key a user may give, in UTF-8 bytes: they become parts of the store's keys. */
export const MAX_NAME_BYTES = 512

/**
 * A UUIDv7 (RFC 9562, section 5.7): 48 bits of time, then chance, so that ids sort by creation.
 * @param random ten random bytes
 */
export function uuidv7(nowMs: number, random: Uint8Array): string {
  const bytes = new Uint8Array(16)
  let time = Math.floor(nowMs)
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256
    time = Math.floor(time / 256)
  }
  bytes.set(random.subarray(0, 10), 6)
  bytes[6] = 0x70 | (bytes[6]! & 0x0f)
  bytes[8] = 0x80 | (bytes[8]! & 0x3f)
  const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The id of a child that was given none: its parent's id and the index of the operation that started it. */
export function childRunId(parentId: string, index: number): string {
  return `${parentId}/${index}`
}
