import type { Phase } from './news.ts'

/** What is known at one moment, for the eye. */
export interface Progress {
  readonly phase: Phase
  readonly items: number
  readonly bytes: number
  readonly totalItems?: number
  readonly totalBytes?: number
  readonly bytesPerSecond?: number
  readonly secondsLeft?: number
  readonly threadsInUse?: number
  readonly threads?: number
}

export interface Style {
  readonly columns: number
  readonly color: boolean
  readonly unicode: boolean
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** In decimal units with three digits: 999 B, 1.23 MB, 45.6 GB. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`
}

/** 0:07, 12:34, 1:02:03. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const minutes = Math.floor(whole / 60)
  const rest = String(whole % 60).padStart(2, '0')
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`
}

/** Done, from 0 to 1, by bytes where there are any; undefined while the whole is unknown. */
export function fractionOf(progress: Progress): number | undefined {
  const { items, totalItems, bytes, totalBytes } = progress
  if (totalItems === undefined) return undefined
  if (totalItems === 0) return 1
  const shares = [items / totalItems, ...totalBytes === undefined || totalBytes === 0 ? [] : [bytes / totalBytes]]
  return Math.min(1, Math.max(0, shares.reduce((sum, share) => sum + share, 0) / shares.length))
}

function nounOf(phase: Phase): string {
  return phase === 'verifying' ? 'objects' : 'files'
}

/** One plain line, for logs and pipes: no control characters. */
export function plainLine(progress: Progress): string {
  const { phase, items, totalItems, bytes, totalBytes, bytesPerSecond, secondsLeft, threadsInUse, threads } = progress
  if (phase === 'writing the manifest') return phase
  const parts = [`${phase}: ${formatCount(items)}${totalItems === undefined ? '' : ` of ${formatCount(totalItems)}`} ${nounOf(phase)}`]
  if (totalBytes !== undefined) parts.push(`${formatBytes(bytes)} of ${formatBytes(totalBytes)}`)
  if (bytesPerSecond !== undefined) parts.push(`${formatBytes(bytesPerSecond)}/s`)
  if (threads !== undefined) parts.push(`${threadsInUse ?? 0} of ${threads} threads in use`)
  if (secondsLeft !== undefined) parts.push(`${formatDuration(secondsLeft)} left`)
  return parts.join(', ')
}

const BAR_LEAST = 8
const BAR_MOST = 30

/** One line that fits into the terminal, with a bar when there is room for one. What matters least is left out first. */
export function barLine(progress: Progress, style: Style): string {
  const width = Math.max(1, style.columns - 1) // the last column would wrap on some terminals
  const fraction = fractionOf(progress)
  let pieces = barPieces(progress, fraction)
  const lengthOf = (some: readonly Piece[]): number => some.map(piece => piece.text).join('  ').length
  while (pieces.length > 1 && lengthOf(pieces) > width - (pieces.length > 2 ? BAR_LEAST + 2 : 0)) {
    const least = Math.max(...pieces.map(piece => piece.rank))
    pieces = pieces.filter(piece => piece.rank !== least)
  }
  const text = pieces.map(piece => piece.text).join('  ').slice(0, width)
  const room = Math.min(BAR_MOST, width - text.length - 2)
  return fraction === undefined || room < BAR_LEAST ? text : `${bar(fraction, room, style)}  ${text}`
}

interface Piece { readonly rank: number, readonly text: string }

function barPieces(progress: Progress, fraction: number | undefined): Piece[] {
  const { phase, items, totalItems, bytes, totalBytes, bytesPerSecond, secondsLeft, threadsInUse, threads } = progress
  if (phase === 'writing the manifest') return [{ rank: 1, text: phase }]
  const pieces: Piece[] = [{ rank: fraction === undefined ? 1 : 7, text: phase }]
  if (fraction !== undefined) pieces.push({ rank: 1, text: `${Math.floor(fraction * 100)}%` })
  pieces.push({ rank: 2, text: `${formatCount(items)}${totalItems === undefined ? '' : `/${formatCount(totalItems)}`} ${nounOf(phase)}` })
  if (totalBytes !== undefined) pieces.push({ rank: 4, text: `${formatBytes(bytes)}/${formatBytes(totalBytes)}` })
  if (bytesPerSecond !== undefined) pieces.push({ rank: 5, text: `${formatBytes(bytesPerSecond)}/s` })
  if (threads !== undefined) pieces.push({ rank: 6, text: `${threadsInUse ?? 0}/${threads} threads` })
  if (secondsLeft !== undefined) pieces.push({ rank: 3, text: `ETA ${formatDuration(secondsLeft)}` })
  return pieces
}

function bar(fraction: number, width: number, { color, unicode }: Style): string {
  const filled = Math.round(fraction * width)
  const done = (unicode ? '█' : '#').repeat(filled)
  const left = (unicode ? '░' : '-').repeat(width - filled)
  return color ? `\u001b[36m${done}\u001b[90m${left}\u001b[39m` : `${done}${left}`
}

/** Rows that `columns` wide terminal shows a line of `length` characters in, now that it may have become narrower. */
export function rowsOf(length: number, columns: number): number {
  return Math.max(1, Math.ceil(length / Math.max(1, columns)))
}
