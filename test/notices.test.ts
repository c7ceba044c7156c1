// What people and programs are told: through real sockets, to a receiver that verifies with the standard's own library,
// and to a real SMTP server.
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { waitAfter } from '../src/notices/deliver.ts'
import { bodyIn } from '../src/notices/forms.ts'
import { forgetNotices, publishNotices } from '../src/notices/publish.ts'
import { writeNotice } from '../src/notices/notices.ts'
import { startTelling } from '../src/cron/telling.ts'
import { warnOfEnds } from '../src/clusters/warnings.ts'
import { newId } from '../src/ids.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

type Received = { path: string; headers: IncomingHttpHeaders; body: string }
type Answering = (response: ServerResponse, received: Received) => void

let h: Harness
let stopTelling: () => Promise<void>
let receiver: Server
let base: string
const received: Received[] = []
const answers = new Map<string, Answering>()
const mails: { to: string[]; text: string; from: string }[] = []
let smtp: SMTPServer
let refuseMail = 0

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const one = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() }
      received.push(one)
      const answer = answers.get(one.path)
      if (answer) answer(response, one)
      else response.writeHead(204).end()
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => receiver.once('listening', resolve))
  base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}` // it listens on TCP
  smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        if (refuseMail > 0) {
          refuseMail--
          return done(Object.assign(new Error('busy'), { responseCode: 451 }))
        }
        const from = session.envelope.mailFrom
        mails.push({
          to: session.envelope.rcptTo.map(({ address }) => address),
          from: from === false ? '' : from.address,
          text: Buffer.concat(chunks)
            .toString()
            .replaceAll(/=\r?\n/g, '')
            .replaceAll('=3D', '='),
        })
        return done()
      })
    },
  })
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', () => resolve()))
  const { port } = smtp.server.address() as AddressInfo // it listens on TCP
  h = await openHarness({
    environment: {
      OCPCTL_WEBHOOK_ALLOW: '127.0.0.0/8',
      OCPCTL_SMTP_URL: `smtp://127.0.0.1:${port}?from=clusters@example.com`,
      OCPCTL_PUBLIC_URL: 'https://ocpctl.example.com/',
    },
  })
  stopTelling = await startTelling(h.app)
})
afterAll(async () => {
  await stopTelling()
  await h.close()
  receiver.closeAllConnections()
  receiver.close()
  smtp.close()
})
beforeEach(() => {
  received.length = 0
  mails.length = 0
})

let made = 0
const api = (method: string, path: string, body?: unknown, token?: string) =>
  h.call(method, `/api/v1${path}`, { key: newId('evt'), ...(body === undefined ? {} : { body }), ...(token === undefined ? {} : { token }) }) // prettier-ignore
const addWebhook = async (more: Record<string, unknown> = {}) => {
  const path = `/hook-${made++}`
  const { status, body } = await api('POST', '/webhooks', { team: '*', url: base + path, ...more })
  expect(status, JSON.stringify(body)).toBe(201)
  return { id: body.id as string, secret: body.secret as string, path }
}
const removeWebhook = (id: string) => api('DELETE', `/webhooks/${id}`)
const at = (path: string) => received.filter((each) => each.path === path)
const deliveriesOf = async (id: string) => (await api('GET', `/webhooks/${id}/deliveries`)).body.items
const verified = (secret: string, { headers, body }: Received) =>
  new Webhook(secret).verify(body, headers as Record<string, string>) as { type: string; timestamp: string; data: Record<string, unknown> } // prettier-ignore
/** As if the time of the next try had come. */
const hurry = async () => {
  await h.rows(
    `update pgboss.job set start_after = now() where name in ('webhook-deliveries', 'mails') and state = 'retry'`,
  )
  h.app.queue.wakeTelling()
}
const ADA = 'oidc_subject:ada@example.com'
const bind = (principal: string, role: string, team: string) =>
  api('POST', '/role-bindings', { principalType: 'oidc_subject', principal, role, team })

describe('a webhook', () => {
  it('is told of each change in order, as the standard has it, and its library verifies it', async () => {
    const { id, secret, path } = await addWebhook()
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    const worker = await h.startWorker()
    const { cluster, job } = await h.requestCluster('told')
    await h.reach(cluster.id, 'READY')
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
    await worker.drain(0)
    await eventually(() => at(path).length >= 7)
    const told = at(path).map((each) => verified(secret, each))
    expect(told.map(({ type }) => type)).toEqual([
      'cluster.requested',
      'cluster.creating',
      'cluster.ready',
      'job.ended',
      'cluster.destroying',
      'cluster.destroyed',
      'job.ended',
    ])
    const sequences = told.map(({ data }) => Number(data['sequence']))
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
    expect(told[2]?.data).toMatchObject({ clusterId: cluster.id, jobId: job.id, team: 'default', url: `https://ocpctl.example.com/api/v1/clusters/${cluster.id}`, name: 'told', status: 'READY' }) // prettier-ignore
    expect(told[5]?.data['usd']).toEqual(expect.any(Number))
    expect(at(path).every(({ body }) => body.length < 20_000)).toBe(true)
    const deliveries = await eventually(async () => {
      const all = await deliveriesOf(id)
      return all.every(({ status }: { status: string }) => status === 'DELIVERED') && all
    })
    expect(deliveries[0]).toMatchObject({ status: 'DELIVERED', tries: 1, answerStatus: 204, answer: '', noticeId: at(path).at(-1)?.headers['webhook-id'] }) // prettier-ignore
    await removeWebhook(id)
  })

  it('gets the three forms, all signed', async () => {
    const standard = await addWebhook({ types: ['cluster.requested'] })
    const events = await addWebhook({ form: 'cloudevents', types: ['cluster.requested'] })
    const slack = await addWebhook({ form: 'slack', types: ['cluster.requested'] })
    const { cluster } = await h.requestCluster('forms')
    await eventually(() => [standard, events, slack].every(({ path }) => at(path).length === 1))
    const [plain] = at(standard.path)
    const [event] = at(events.path)
    const [text] = at(slack.path)
    if (!plain || !event || !text) throw new Error('not received')
    for (const [one, { secret }] of [[plain, standard], [event, events], [text, slack]] as const) verified(secret, one) // prettier-ignore
    expect(plain.headers['content-type']).toBe('application/json')
    expect(event.headers['content-type']).toBe('application/cloudevents+json')
    expect(JSON.parse(event.body)).toMatchObject({ specversion: '1.0', id: event.headers['webhook-id'], source: 'https://ocpctl.example.com', type: 'dev.ocpctl.cluster.requested.v1', subject: cluster.id, data: JSON.parse(plain.body).data }) // prettier-ignore
    expect(JSON.parse(text.body).text).toMatch(/^Cluster forms of team default is asked for\. It ends .* https:/)
    for (const { id } of [standard, events, slack]) await removeWebhook(id)
  })

  it('sends nothing of a change that was rolled back', async () => {
    const { id, path } = await addWebhook({ types: ['finding.filed'] })
    const tell = (subject: string, fails: boolean) =>
      h.app.db.transaction(async (tx) => {
        writeNotice(tx, { type: 'finding.filed', team: '*', data: { subject } })
        if (fails) throw new Error('rolled back')
      })
    await expect(tell('never', true)).rejects.toThrow('rolled back')
    await tell('now', false)
    await eventually(() => at(path).length === 1)
    expect(JSON.parse(at(path)[0]?.body ?? '').data.subject).toBe('now')
    await removeWebhook(id)
  })

  it('is signed with both secrets during a rotation, and with the new one alone after it', async () => {
    const { id, secret, path } = await addWebhook({ types: ['webhook.test'] })
    const { body } = await api('PATCH', `/webhooks/${id}`, { rotateSecret: true })
    expect(body.secret).toMatch(/^whsec_/)
    expect(body.secret).not.toBe(secret)
    const { body: tested } = await api('POST', `/webhooks/${id}/test`)
    const [first] = await eventually(() => at(path).length === 1 && at(path))
    if (!first) throw new Error('not received')
    expect(first.headers['webhook-id']).toBe(tested.noticeId)
    expect(verified(secret, first).type).toBe('webhook.test')
    expect(verified(body.secret, first).type).toBe('webhook.test')
    await h.rows(`update webhooks set old_secret_until = now() where id = '${id}'`)
    await api('POST', `/webhooks/${id}/test`)
    const second = await eventually(() => at(path)[1])
    expect(() => verified(secret, second)).toThrow()
    expect(verified(body.secret, second).type).toBe('webhook.test')
    expect(JSON.stringify((await api('GET', '/webhooks')).body)).not.toContain('whsec_')
    expect(JSON.stringify(await h.rows('select * from webhooks'))).not.toMatch(/whsec_|hook-/)
    await removeWebhook(id)
  })

  it('that fails gets the same again, later, before what came after it', async () => {
    const { id, secret, path } = await addWebhook({ types: ['cluster.requested', 'cluster.destroying'] })
    answers.set(path, (response) => response.writeHead(503, { 'retry-after': '120' }).end('not now'.padEnd(2000, '!')))
    const { cluster } = await h.requestCluster('retried')
    await h.destroy(cluster.id)
    const [second, first] = await eventually(async () => {
      const all = await deliveriesOf(id)
      return all.length === 2 && all[1].tries === 1 && all
    })
    expect(first).toMatchObject({ status: 'PENDING', type: 'cluster.requested', answerStatus: 503 })
    expect(first.answer).toMatch(/^not now!+$/)
    expect(first.answer.length).toBe(1024)
    expect(second).toMatchObject({ status: 'PENDING', tries: 0, type: 'cluster.destroying' })
    expect(Date.parse(first.nextTryAt) - Date.parse(first.lastTriedAt)).toBeGreaterThan(119_000)
    answers.delete(path)
    await hurry()
    await eventually(async () => (await deliveriesOf(id)).every(({ status }: { status: string }) => status === 'DELIVERED')) // prettier-ignore
    expect(at(path).map((each) => verified(secret, each).type)).toEqual(['cluster.requested', 'cluster.requested', 'cluster.destroying']) // prettier-ignore
    const [a, b] = at(path)
    expect([a?.headers['webhook-id'], a?.body]).toEqual([b?.headers['webhook-id'], b?.body])
    await removeWebhook(id)
  })

  it('is tried ten times within 75 hours and a little', () => {
    const waits = Array.from({ length: 9 }, (_, index) => waitAfter(index + 1, undefined, () => 0.5))
    expect(waits.reduce((sum, wait) => sum + wait) / 3600).toBeCloseTo(75.585, 2)
    expect(waitAfter(1, undefined, () => 0)).toBeCloseTo(4)
    expect(waitAfter(1, undefined, () => 1)).toBeCloseTo(6)
    expect(waitAfter(1, '90', () => 0.5)).toBe(90)
    expect(waitAfter(1, new Date(Date.now() + 60_000).toUTCString(), () => 0.5)).toBeGreaterThan(55)
    expect(waitAfter(1, 'soon', () => 0.5)).toBe(5)
    expect(waitAfter(1, '99999999', () => 0.5)).toBe(24 * 3600)
  })

  it('ends after the tenth try, and can be sent again by hand', async () => {
    const { id, path } = await addWebhook({ types: ['webhook.test'] })
    answers.set(path, (response) => response.writeHead(500).end())
    await api('POST', `/webhooks/${id}/test`)
    const [pending] = await eventually(async () => (await deliveriesOf(id))[0]?.tries === 1 && deliveriesOf(id))
    await h.rows(`update webhook_deliveries set tries = 9 where id = '${pending.id}'`)
    expect((await api('POST', `/webhooks/${id}/redeliver`, { deliveryId: pending.id })).status).toBe(404)
    await hurry()
    await eventually(async () => (await deliveriesOf(id))[0]?.status === 'FAILED')
    answers.delete(path)
    expect((await api('POST', `/webhooks/${id}/redeliver`, { deliveryId: pending.id })).body).toEqual({ deliveries: 1 })
    await eventually(async () => (await deliveriesOf(id))[0]?.status === 'DELIVERED')
    const since = new Date(Date.now() - 60_000).toISOString()
    expect((await api('POST', `/webhooks/${id}/redeliver`, { since })).body).toEqual({ deliveries: 1 })
    await eventually(() => at(path).length === 4)
    expect(new Set(at(path).map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    await removeWebhook(id)
  })

  it.each([
    ['410', 'it answered 410 Gone'],
    ['five days', 'no delivery has succeeded for 5 days'],
  ])('is switched off after %s, and the administrators are told', async (how, reason) => {
    const team = `off-${made}`
    await bind(`chief-${made}@example.com`, 'team_admin', team)
    const chief = `chief-${made}@example.com`
    const watcher = await addWebhook({ types: ['webhook.disabled'] })
    const { id, path } = await addWebhook({ team, types: ['webhook.test'] })
    answers.set(path, (response) => response.writeHead(how === '410' ? 410 : 500).end())
    await api('POST', `/webhooks/${id}/test`)
    if (how !== '410') {
      await eventually(async () => (await deliveriesOf(id))[0]?.tries === 1)
      await h.rows(`update webhooks set failing_since = now() - interval '5 days 1 minute' where id = '${id}'`)
      await hurry()
    }
    await eventually(() => at(watcher.path).length === 1)
    const { body } = await api('GET', '/webhooks')
    expect(body.items.find((each: { id: string }) => each.id === id)).toMatchObject({ enabled: false, disabledReason: reason }) // prettier-ignore
    expect((await api('POST', `/webhooks/${id}/test`)).body.code).toBe('NOT_IN_STATE')
    const mail = await eventually(() => mails.find(({ to }) => to.includes(chief)))
    expect(mail.text).toContain(reason)
    expect((await api('PATCH', `/webhooks/${id}`, { enabled: true })).body).toMatchObject({ enabled: true, disabledReason: null, failingSince: null }) // prettier-ignore
    for (const each of [id, watcher.id]) await removeWebhook(each)
  })

  it('that is off keeps what it missed, and can have it sent later', async () => {
    const { id, path } = await addWebhook({ types: ['cluster.requested'] })
    await api('PATCH', `/webhooks/${id}`, { enabled: false })
    await h.requestCluster('missed')
    await eventually(async () => (await deliveriesOf(id))[0]?.status === 'SKIPPED')
    await api('PATCH', `/webhooks/${id}`, { enabled: true })
    await api('POST', `/webhooks/${id}/redeliver`, { since: new Date(Date.now() - 3_600_000).toISOString() })
    await eventually(() => at(path).length === 1)
    await removeWebhook(id)
  })

  it('that hangs, floods or redirects delays nobody else', async () => {
    const hanging = await Promise.all(Array.from({ length: 8 }, () => addWebhook({ types: ['webhook.test'] })))
    for (const { path } of hanging) answers.set(path, () => undefined)
    const flooding = await addWebhook({ types: ['webhook.test'] })
    answers.set(flooding.path, (response) => {
      response.writeHead(200)
      const flood = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', flood)
      }
      flood()
    })
    const elsewhere = await addWebhook({ types: ['webhook.test'] })
    const redirecting = await addWebhook({ types: ['webhook.test'] })
    answers.set(redirecting.path, (response) => response.writeHead(307, { location: base + elsewhere.path }).end())
    const good = await addWebhook({ types: ['cluster.requested'] })
    for (const { id } of [...hanging, flooding, redirecting]) await api('POST', `/webhooks/${id}/test`)
    await eventually(() => hanging.every(({ path }) => at(path).length > 0))
    await h.requestCluster('quick')
    await eventually(() => at(good.path).length === 1)
    expect((await deliveriesOf(hanging[0]?.id ?? ''))[0]).toMatchObject({ status: 'PENDING', tries: 0 })
    const [flooded] = await eventually(async () => (await deliveriesOf(flooding.id))[0]?.status === 'DELIVERED' && deliveriesOf(flooding.id)) // prettier-ignore
    expect(flooded.answer.length).toBe(1024)
    await eventually(async () => (await deliveriesOf(redirecting.id))[0]?.answerStatus === 307)
    expect(at(elsewhere.path)).toEqual([])
    for (const { id } of [...hanging, flooding, redirecting, elsewhere, good]) await removeWebhook(id)
    receiver.closeAllConnections()
  })

  it('that answers with another protocol has failed, and is tried again', async () => {
    const { id, path } = await addWebhook({ types: ['webhook.test'] })
    answers.set(path, (response) => void response.socket?.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')) // prettier-ignore
    await api('POST', `/webhooks/${id}/test`)
    const [tried] = await eventually(async () => (await deliveriesOf(id))[0]?.tries === 1 && deliveriesOf(id))
    expect(tried).toMatchObject({ status: 'PENDING', problem: 'it answered 101, as if it had been asked for another protocol' }) // prettier-ignore
    await removeWebhook(id)
  })

  it('that is repaired can be tested while older deliveries wait', async () => {
    const { id, path } = await addWebhook({ types: ['finding.filed', 'webhook.test'] })
    answers.set(path, (response) => response.writeHead(503).end())
    await h.app.db.transaction(async (tx) => void writeNotice(tx, { type: 'finding.filed', team: '*', data: {} }))
    await eventually(async () => (await deliveriesOf(id))[0]?.tries === 1)
    answers.delete(path)
    await api('POST', `/webhooks/${id}/test`)
    await eventually(async () => (await deliveriesOf(id))[0]?.status === 'DELIVERED')
    expect((await deliveriesOf(id))[1]).toMatchObject({ status: 'PENDING', type: 'finding.filed' })
    const [{ id: deliveryId }] = await deliveriesOf(id)
    await api('POST', `/webhooks/${id}/redeliver`, { deliveryId })
    await eventually(() => at(path).length === 3)
    await removeWebhook(id)
  })

  it('is told on after the clock was stepped back', async () => {
    const { id, path } = await addWebhook({ types: ['webhook.test'] })
    await api('POST', `/webhooks/${id}/test`)
    await eventually(async () => (await deliveriesOf(id))[0]?.status === 'DELIVERED')
    await h.rows(`update webhook_deliveries set created_at = now() + interval '1 hour' where webhook_id = '${id}'`)
    await api('POST', `/webhooks/${id}/test`)
    await eventually(() => at(path).length === 2)
    await removeWebhook(id)
  })

  it('at an address that is not public is refused with the reason', async () => {
    for (const url of [
      'https://10.0.0.1/',
      'https://[fd00::1]/',
      'https://198.51.100.7/',
      'https://8.8.8.8:8443/',
      'ftp://x.example.com/',
      'nothing',
    ]) {
      const { status, body } = await api('POST', '/webhooks', { team: '*', url })
      expect([status, body.errors?.[0]?.pointer], url).toEqual([400, '/url'])
    }
  })

  it('belongs to its team: another team is told nothing of it', async () => {
    const blue = await addWebhook({ team: 'blue', types: ['cluster.requested'] })
    const red = await addWebhook({ team: 'red', types: ['cluster.requested'] })
    await h.requestCluster('of-red', { team: 'red' })
    await eventually(() => at(red.path).length === 1)
    expect(at(blue.path)).toEqual([])
    expect(await deliveriesOf(blue.id)).toEqual([])
    for (const { id } of [blue, red]) await removeWebhook(id)
  })

  it('that two processes publish for gets each notice once', async () => {
    const { id, path } = await addWebhook({ types: ['finding.filed'] })
    await h.app.db.transaction(async (tx) => {
      for (let n = 0; n < 450; n++)
        writeNotice(tx, { type: 'finding.filed', team: '*', clusterId: 'clu_x', data: { n } })
      tx.words.length = 0 // nobody hears of it
    })
    await Promise.all(Array.from({ length: 6 }, () => publishNotices(h.app)))
    await eventually(() => at(path).length >= 450)
    expect(at(path).map(({ body }) => JSON.parse(body).data.n)).toEqual(Array.from({ length: 450 }, (_, n) => n))
    await removeWebhook(id)
  })

  it('is forgotten a week later', async () => {
    const { id } = await addWebhook({ types: ['webhook.test'] })
    await api('POST', `/webhooks/${id}/test`)
    await eventually(async () => (await deliveriesOf(id))[0]?.status === 'DELIVERED')
    await h.rows(`update notices set at = at - interval '8 days'`)
    await h.rows(`update webhook_deliveries set created_at = created_at - interval '8 days'`)
    expect(await forgetNotices(h.app)).toBeGreaterThan(0)
    expect(await deliveriesOf(id)).toEqual([])
    await removeWebhook(id)
  })
})

it('Slack reads no markup in what people wrote', () => {
  const told = { id: 'msg_1', sequence: 1, at: new Date(0), type: 'cluster.failed' as const, team: '<!channel>', clusterId: null, jobId: null, data: { name: 'a', reason: 'x < y & <https://example.com|z>' } } // prettier-ignore
  const { body } = bodyIn('slack', told, { publicUrl: undefined, installationId: 'ins_1' })
  expect(JSON.parse(body).text).toBe('Cluster a of team &lt;!channel&gt; has failed: x &lt; y &amp; &lt;https://example.com|z&gt;') // prettier-ignore
})

describe('a warning', () => {
  const warned = (id: string) =>
    h.rows<{ mark: string; revision: number }>(`select mark, end_revision as revision from cluster_warnings where cluster_id = '${id}' order by at, mark`) // prettier-ignore
  /** As if the cluster had been asked for so long ago. */
  const age = (id: string, ms: number) =>
    h.rows(`update clusters set created_at = created_at - interval '${ms} ms', destroy_at = destroy_at - interval '${ms} ms',
      end_set_at = end_set_at - interval '${ms} ms', warn_at = warn_at - interval '${ms} ms',
      protected_until = protected_until - interval '${ms} ms' where id = '${id}'`)
  const HOUR = 3_600_000

  it('comes once for each mark, whoever looks and however often', async () => {
    const { cluster } = await h.requestCluster('warned', { ttlHours: 30 })
    for (const [hours, marks] of [
      [5.9, []],
      [0.2, ['end 24h']],
      [22, ['end 24h', 'end 2h']],
      [1.5, ['end 24h', 'end 2h', 'end 0.5h']],
    ] as const) {
      await age(cluster.id, hours * HOUR)
      await Promise.all(Array.from({ length: 5 }, () => warnOfEnds(h.app)))
      expect((await warned(cluster.id)).map(({ mark }) => mark)).toEqual(marks)
    }
    expect(await h.rows(`select warn_at from clusters where id = '${cluster.id}'`)).toEqual([{ warn_at: null }])
    expect((await h.rows(`select 1 from notices where cluster_id = '${cluster.id}' and type = 'cluster.end_near'`)).length).toBe(3) // prettier-ignore
  })

  it('comes anew for an end that was moved, and never for a mark that was past when it was set', async () => {
    const { cluster } = await h.requestCluster('moved', { ttlHours: 3 })
    await warnOfEnds(h.app)
    expect(await warned(cluster.id)).toEqual([])
    await age(cluster.id, 1.2 * HOUR)
    await warnOfEnds(h.app)
    await api('POST', `/clusters/${cluster.id}/extend`, { hours: 3 })
    await age(cluster.id, 1.2 * HOUR)
    await warnOfEnds(h.app)
    expect(await warned(cluster.id)).toEqual([
      { mark: 'end 2h', revision: 1 },
      { mark: 'end 2h', revision: 2 },
    ])
  })

  it('is one for all marks that a pause has missed', async () => {
    const { cluster } = await h.requestCluster('paused', { ttlHours: 30 })
    await age(cluster.id, 29.8 * HOUR)
    await warnOfEnds(h.app)
    expect((await warned(cluster.id)).map(({ mark }) => mark)).toEqual(['end 0.5h'])
  })

  it('comes daily to owner and administrators of a protected cluster that is past its end', async () => {
    await bind('boss@example.com', 'team_admin', 'loud')
    const { cluster } = await h.requestCluster('loud', { team: 'loud', ttlHours: 2, owner: ADA })
    const until = new Date(Date.now() + 100 * HOUR).toISOString()
    await h.call('PUT', `/clusters/${cluster.id}/protection`, { body: { reason: 'a fair', until } })
    for (const hours of [2.1, 24, 24]) {
      await age(cluster.id, hours * HOUR)
      await warnOfEnds(h.app)
    }
    const past = (await warned(cluster.id)).map(({ mark }) => mark).filter((mark) => mark.startsWith('past'))
    expect(past).toEqual(['past 0d', 'past 1d', 'past 2d'])
    const daily = await eventually(() => {
      const found = mails.filter(({ text }) => text.includes('is past its end'))
      return found.length === 6 && found
    })
    expect(new Set(daily.flatMap(({ to }) => to))).toEqual(new Set(['ada@example.com', 'boss@example.com']))
    expect(daily[0]?.text).toContain('a fair')
  })

  const linksIn = (text: string) => [...text.matchAll(/https:\/\/ocpctl\.example\.com(\/links\/\S+)/g)].map(([, path]) => path ?? '') // prettier-ignore
  const open = async (method: string, path: string) => h.call(method, path, { token: 'none' })
  const warnedByMail = async (name: string, more: Record<string, unknown> = {}) => {
    const { cluster } = await h.requestCluster(name, { ttlHours: 3, owner: ADA, ...more })
    await age(cluster.id, 1.2 * HOUR)
    await warnOfEnds(h.app)
    const mail = await eventually(() => mails.find(({ text }) => text.includes(`Cluster ${name} `)))
    return { id: cluster.id, mail, links: linksIn(mail.text) }
  }

  it('can be answered by its links: once, by POST, as its reader', async () => {
    await bind('ada@example.com', 'requester', 'default')
    const { id, mail, links } = await warnedByMail('answered')
    expect(mail).toMatchObject({ from: 'clusters@example.com', to: ['ada@example.com'] })
    expect(links.length).toBe(2)
    const [extend = '', destroy = ''] = links
    const before = (await h.call('GET', `/clusters/${id}`)).body
    for (const path of links) {
      const asked = await open('GET', path)
      expect([asked.status, asked.headers.get('content-type')]).toEqual([200, 'text/html; charset=UTF-8'])
      expect(asked.body).toContain('<form method="post">')
      expect(asked.headers.get('referrer-policy')).toBe('no-referrer')
    }
    expect((await h.call('GET', `/clusters/${id}`)).body).toMatchObject({
      destroyAt: before.destroyAt,
      status: 'PENDING',
    })
    const both = await Promise.all([open('POST', extend), open('POST', extend)])
    expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409])
    const after = (await h.call('GET', `/clusters/${id}`)).body
    expect(Date.parse(after.destroyAt)).toBeGreaterThan(Date.parse(before.destroyAt) + HOUR)
    expect((await open('POST', destroy)).status).toBe(409)
    expect((await open('GET', destroy)).status).toBe(409)
    const { items } = (await h.call('GET', `/api/v1/audit-events?cluster=${id}&action=cluster.extend`)).body
    expect(items[0]).toMatchObject({ actor: ADA })
  })

  it('can be answered with a destroy', async () => {
    await bind('ada@example.com', 'requester', 'default')
    const { id, links } = await warnedByMail('answered-so')
    expect((await open('POST', links[1] ?? '')).status).toBe(200)
    expect((await h.call('GET', `/clusters/${id}`)).body.status).toBe('DESTROYING')
    expect((await open('POST', links[0] ?? '')).status).toBe(409)
  })

  it('gives its reader no more than the rights of that moment', async () => {
    const { links } = await warnedByMail('no-rights', { team: 'elsewhere' })
    const { status, body } = await open('POST', links[0] ?? '')
    expect(status).toBe(403)
    expect(body).toMatch(/is for team &quot;default&quot; alone/)
    expect((await open('GET', `${links[0]}x`)).status).toBe(404)
    expect((await open('GET', (links[0] ?? '').slice(0, -3))).status).toBe(404)
  })

  it('that a mail server holds up is sent later, and not when the end has been moved meanwhile', async () => {
    refuseMail = 1
    const { cluster } = await h.requestCluster('held-up', { ttlHours: 3, owner: ADA })
    await age(cluster.id, 1.2 * HOUR)
    await warnOfEnds(h.app)
    await eventually(async () => refuseMail === 0 && (await h.rows(`select 1 from pgboss.job where name = 'mails' and state = 'retry'`)).length > 0) // prettier-ignore
    await api('POST', `/clusters/${cluster.id}/extend`, { hours: 3 })
    await hurry()
    await eventually(async () => (await h.rows(`select 1 from pgboss.job where name = 'mails' and state in ('created', 'retry', 'active')`)).length === 0) // prettier-ignore
    expect(mails.filter(({ text }) => text.includes('Cluster held-up '))).toEqual([])
  })
})

it('an owner is told by mail that the cluster is ready, and that it is gone and what it cost', async () => {
  const worker = await h.startWorker()
  const { cluster } = await h.requestCluster('mailed', { owner: ADA })
  await h.reach(cluster.id, 'READY')
  await h.destroy(cluster.id)
  await h.reach(cluster.id, 'DESTROYED')
  await worker.drain(0)
  await eventually(() =>
    mails.some(({ text }) => /Cluster mailed .*is gone, proved empty, cost \d+\.\d\d USD\./.test(text)),
  )
  expect(mails.some(({ text }) => /Cluster mailed .*is ready/.test(text))).toBe(true)
})
