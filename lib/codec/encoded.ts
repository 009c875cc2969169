declare const encoded: unique symbol

/**
 * The bytes of one value or thrown thing, as encodeValue and encodeError write them and decodeValue and decodeError read
 * them. Everybody else carries them unread (I4). They own their memory: keep, transfer or store them, but do not write to
 * them.
 */
export type Encoded = Uint8Array & { readonly [encoded]: true }
