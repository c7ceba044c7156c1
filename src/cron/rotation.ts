// Tells how far the rotation of the secrets key has come. When 0 values are left under an older key, that key may be
// dropped.
import type { App } from '../app.ts'
import { countSealedElsewhere, missingKeys, resealSecrets } from '../clusters/reseal.ts'

const FAILURES_SHOWN = 10

export async function rotateKeys(app: App): Promise<void> {
  const { sealedAnew, left, failures } = await resealSecrets(app)
  const count = Object.values(left).reduce((sum, values) => sum + values, 0)
  if (sealedAnew + count + failures.length === 0) return
  const missing = missingKeys(app, left)
  const summary = { sealedAnew, left, missing, failures: failures.slice(0, FAILURES_SHOWN) }
  const level = failures.length + missing.length > 0 ? 'warn' : 'info'
  app.log[level](summary, `${sealedAnew} values sealed anew, ${count} left under older keys`)
}

/**
 * Run at the start of a process. It tells what the process cannot open, and whether its older keys have become useless.
 */
export async function tellOfKeys(app: App): Promise<void> {
  const left = await countSealedElsewhere(app)
  const missing = missingKeys(app, left)
  if (missing.length > 0)
    app.log.warn(
      { missing },
      'values are sealed with keys that are not configured and cannot be opened: add the keys to OCPCTL_SECRETS_KEYS_OLD',
    )
  if (app.box.olderKeyIds.length > 0 && Object.keys(left).length === 0)
    app.log.info('0 left under older keys: OCPCTL_SECRETS_KEYS_OLD is needed for nothing that is in use')
}
