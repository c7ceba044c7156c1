// Has notices told: at once on word of one, and each minute for a word that was lost.
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import { deliver } from '../notices/deliver.ts'
import { sendMail } from '../notices/mails.ts'
import { publishNotices } from '../notices/publish.ts'

const TOGETHER_MS = 200

export async function startTelling(app: App): Promise<void> {
  await app.queue.workDeliveries((deliveryId, handOver) => deliver(app, deliveryId, handOver))
  await app.queue.workMails((mail) => sendMail(app, mail))
  let isRunning = false
  let isAsked = false
  const publish = async (): Promise<void> => {
    isAsked = true
    if (isRunning) return
    isRunning = true
    try {
      while (isAsked) {
        isAsked = false
        await publishNotices(app)
        app.queue.wakeTelling()
        // What is told meanwhile goes together.
        await setTimeout(TOGETHER_MS, undefined, { ref: false })
      }
    } catch (error) {
      app.log.warn({ err: error }, 'notices are told at the next run')
    } finally {
      isRunning = false
    }
  }
  app.events.on('notice', 'all', () => void publish())
}
