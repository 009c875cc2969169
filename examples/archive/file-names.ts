/**
 * File names as strings that always lead back to the same bytes.
 * A name on disk is bytes and need not be UTF-8. Bytes that are not travel as lone surrogates U+DC80..U+DCFF (the way of
 * Python's PEP 383): readable where it can be, exact everywhere, and safe in JSON, which escapes them.
 */

const LONE_SURROGATE = /\p{Surrogate}/u

export function nameFromBytes(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : decodeByPieces(bytes)
}

function decodeByPieces(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const lead = bytes[at] ?? 0
    const piece = bytes.subarray(at, at + (lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4))
    const decoded = piece.toString('utf8')
    if (Buffer.from(decoded, 'utf8').equals(piece)) {
      text += decoded
      at += piece.length
    } else {
      text += String.fromCharCode(0xdc00 + lead)
      at += 1
    }
  }
  return text
}

/** @throws RangeError for a lone surrogate that stands for no byte */
export function bytesFromName(name: string): Buffer {
  if (!LONE_SURROGATE.test(name)) return Buffer.from(name, 'utf8')
  const pieces: Buffer[] = []
  for (const character of name) {
    const code = character.codePointAt(0) ?? 0
    if (code < 0xd800 || code > 0xdfff) pieces.push(Buffer.from(character, 'utf8'))
    else if (code >= 0xdc80 && code <= 0xdcff) pieces.push(Buffer.from([code - 0xdc00]))
    else throw new RangeError(`${quoteName(name)} is not the name of a file: U+${code.toString(16)} stands for no byte`)
  }
  return Buffer.concat(pieces)
}

/** The bytes to hand to `fs` for `path`, relative and with '/', below `folder`. */
export function pathBelow(folder: string, path: string): Buffer {
  return path === '.' ? Buffer.from(folder) : Buffer.concat([Buffer.from(`${folder}/`), bytesFromName(path)])
}

/** Order by the bytes on disk, so that a listing does not depend on the locale. */
export function compareNames(left: string, right: string): number {
  return Buffer.compare(bytesFromName(left), bytesFromName(right))
}

/** True for a path that stays below the folder it is joined to, and has one spelling only. */
export function isSafePath(path: string): boolean {
  if (path.includes('\0') || (process.platform === 'win32' && /[\\:]/.test(path))) return false
  if (!path.split('/').every(part => part !== '' && part !== '.' && part !== '..')) return false
  try {
    return nameFromBytes(bytesFromName(path)) === path
  } catch {
    return false
  }
}

/** The folder that holds `path`: '.' for a name at the top. */
export function parentOf(path: string): string {
  const cut = path.lastIndexOf('/')
  return cut === -1 ? '.' : path.slice(0, cut)
}

/** A name as it may be shown on a terminal: anything that could move the cursor, hide or mislead is escaped and the whole quoted. */
export function quoteName(name: string): string {
  if (name !== '' && name.trim() === name && !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}"]/u.test(name)) return name
  const escaped = name.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}"\\]/gu, escapeCharacter)
  return `"${escaped}"`
}

function escapeCharacter(character: string): string {
  if (character === '\n') return '\\n'
  if (character === '\t') return '\\t'
  if (character === '\r') return '\\r'
  if (character === '"' || character === '\\') return `\\${character}`
  const code = character.codePointAt(0) ?? 0
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}
