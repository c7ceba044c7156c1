// Has notices told: at once on word of one, and each minute for a word that was lost.
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import { deliver } from '../notices/deliver.ts'
import { sendMail } from '../notices/mails.ts'
import { publishNotices } from '../notices/publish.ts'

const TOGETHER_MS = 200

/** Returns a function that ends this, and resolves when nothing of it is under way. The queue ends deliveries itself. */
export async function startTelling(app: App): Promise<() => Promise<void>> {
  await app.queue.workDeliveries((deliveryId, handOver) => deliver(app, deliveryId, handOver))
  // A process without a mail server leaves mails to another one.
  if (app.mailer) await app.queue.workMails((mail) => sendMail(app, mail))
  const ended = new AbortController()
  let isAsked = false
  let running: Promise<void> | undefined
  const publish = async (): Promise<void> => {
    while (isAsked && !ended.signal.aborted) {
      isAsked = false
      await publishNotices(app)
      app.queue.wakeTelling()
      // What is told meanwhile goes together.
      await setTimeout(TOGETHER_MS, undefined, { ref: false, signal: ended.signal }).catch(() => undefined)
    }
  }
  const unhear = app.events.on('notice', 'all', () => {
    isAsked = true
    running ??= publish()
      .catch((error: unknown) => app.log.warn({ err: error }, 'notices are told at the next run'))
      .finally(() => (running = undefined))
  })
  return async () => {
    unhear()
    ended.abort()
    await running
  }
}
