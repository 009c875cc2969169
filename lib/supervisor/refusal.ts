/** Errors on their way through the supervisor: those that came as bytes go on as bytes, because it knows no classes of a user's (I4). */
import type { Encoded } from '../codec/encoded.ts'
import { encodeError } from '../codec/error.ts'

/** Thrown where a thread refused something. */
export class EncodedRefusal {
  readonly error: Encoded

  constructor(error: Encoded) {
    this.error = error
  }
}

export function refusalBytes(error: unknown): Encoded {
  return error instanceof EncodedRefusal ? error.error : encodeError(error)
}
