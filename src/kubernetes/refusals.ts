// Why the API of a cluster did not do what it was asked.

/** Nothing was said: no connection, no trust, no answer in time. */
export class ApiNotReached extends Error {
  override readonly name = 'ApiNotReached'
}

/** The API said no. `reason` is its own word, such as `Forbidden` or `Conflict`. */
export class ApiRefused extends Error {
  override readonly name = 'ApiRefused'
  readonly status: number
  readonly reason: string | undefined
  constructor(status: number, reason: string | undefined, text: string) {
    super(`it answers ${status}${reason === undefined ? '' : ` ${reason}`}${text === '' ? '' : `: ${text}`}`)
    this.status = status
    this.reason = reason
  }
}
