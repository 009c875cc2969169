/** Ids of runs. */

/** Longest id, name, topic, tag or key a user may give, in UTF-8 bytes: they become parts of the store's keys. */
export const MAX_NAME_BYTES = 512

/**
 * A UUIDv7 (RFC 9562, section 5.7): 48 bits of time, then chance, so that ids sort by creation.
 * @param random ten random bytes
 */
export function uuidv7(nowMs: number, random: Uint8Array): string {
  const time = Math.floor(nowMs)
  const high = Math.floor(time / 2 ** 16)
  const at = (index: number): string => HEX[random[index]!]!
  return `${byteOf(high, 24)}${byteOf(high, 16)}${byteOf(high, 8)}${byteOf(high, 0)}-${byteOf(time, 8)}${byteOf(time, 0)}`
    + `-${HEX[0x70 | (random[0]! & 0x0f)]!}${at(1)}-${HEX[0x80 | (random[2]! & 0x3f)]!}${at(3)}-${at(4)}${at(5)}${at(6)}${at(7)}${at(8)}${at(9)}`
}

/** Bytes as two digits: a start makes one of these ids, and startMany() very many. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Eight bits of a whole number, of which the lowest 32 count. */
function byteOf(value: number, from: number): string {
  return HEX[value >>> from & 0xff]!
}

/** The id of a child that was given none: its parent's id and the index of the operation that started it. */
export function childRunId(parentId: string, index: number): string {
  return `${parentId}/${index}`
}
