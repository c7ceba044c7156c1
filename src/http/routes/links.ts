// The pages behind the links of a warning. GET only asks, so that a mail program that looks ahead does nothing. A page
// works without a script.
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { html } from 'hono/html'
import { secureHeaders } from 'hono/secure-headers'
import { foresee } from '../../clusters/off-hours.ts'
import type { ClusterRow } from '../../clusters/tables.ts'
import { AppError } from '../../errors.ts'
import { readLink, useLink } from '../../notices/links.ts'
import { destroyStartsAt } from '../../policy/end.ts'
import type { Env } from '../env.ts'
import { router } from '../router.ts'

const params = z.object({ token: z.string() })
const page = (description: string) => ({ description, content: { 'text/html': { schema: z.string() } } })
const failures = {
  403: page('The recipient may not'),
  404: page('Not a link'),
  409: page('The link is used up, or the cluster is not in a state for it'),
  422: page('The profile does not allow it'),
  429: page('Too many requests'),
  500: page('Internal error'),
  503: page('Unavailable'),
}

const operation = <M extends 'get' | 'post'>(method: M, operationId: string, summary: string, description: string) =>
  createRoute({
    method,
    path: '/links/{token}',
    operationId,
    summary,
    tags: ['links'],
    security: [],
    request: { params },
    responses: { 200: page(description), ...failures },
  })

const when = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`

const shown = (title: string, content: unknown) =>
  html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width" />
      <meta name="robots" content="noindex" />
      <title>${title}</title>
      <style>
        body {
          font:
            1rem/1.5 system-ui,
            sans-serif;
          max-width: 36rem;
          margin: 4rem auto;
          padding: 0 1rem;
        }
        button {
          font: inherit;
          padding: 0.5rem 1rem;
        }
      </style>
      <h1>${title}</h1>
      ${content}
    </html> `

/** People read these pages, so a refusal is a page too. */
async function answer(c: Context<Env>, say: () => Promise<{ title: string; content: unknown }>) {
  c.header('cache-control', 'no-store')
  // The address of the page is the right to do it.
  c.header('referrer-policy', 'no-referrer')
  try {
    const { title, content } = await say()
    return c.html(shown(title, content), 200)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const notes = (error.errors ?? []).map(({ detail }) => detail).filter((detail) => detail !== error.message)
    return c.html(shown('Not done', html`<p>${error.message}</p>${notes.map((note) => html`<p>${note}</p>`)}`), error.status as 404) // prettier-ignore
  }
}

const awakeUntil = (cluster: ClusterRow) => {
  const sleep = foresee(cluster, new Date()).nextChanges.find(({ state }) => state === 'asleep')
  return sleep ? `It goes to sleep ${when(sleep.at)}.` : 'No other sleep is to come before its end.'
}

export const linkRoutes = router()
linkRoutes.use(
  '/links/*',
  secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      styleSrc: ["'unsafe-inline'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
    strictTransportSecurity: false,
  }),
)
linkRoutes
  .openapi(
    operation('get', 'askLink', 'What a link of a warning would do', 'A page that asks, and does nothing'),
    async (c) =>
      answer(c, async () => {
        const question = await readLink(c.var.app, c.req.valid('param').token)
        const { to, cluster } = question
        const end = when(destroyStartsAt(cluster))
        const [title, what, button] =
          question.action === 'extend'
            ? [`Extend ${cluster.name}?`, `It would end ${when(question.extendedTo)}.`, 'Extend it']
            : question.action === 'skip-sleep'
              ? [`Keep ${cluster.name} awake?`, `It would go to sleep ${when(question.sleepAt)}. That is left out once.`, 'Skip this sleep'] // prettier-ignore
              : [`Destroy ${cluster.name} now?`, 'All that is in it is lost.', 'Destroy it now']
        return {
          title,
          content: html`<p>
              Cluster ${cluster.name}.${cluster.baseDomain} of team ${cluster.team} is ${cluster.status} and ends
              ${end}.
            </p>
            <p>${what} It is done as ${to}.</p>
            <form method="post"><button type="submit">${button}</button></form>`,
        }
      }),
  )
  .openapi(
    operation('post', 'useLink', 'Do what a link of a warning says, as the one who got it', 'It is done'),
    async (c) =>
      answer(c, async () => {
        const { app, requestId, address } = c.var
        const origin = { requestId, address, agent: c.req.header('user-agent')?.slice(0, 256) }
        const { token } = c.req.valid('param')
        const { cluster, action } = await app.db.transaction((tx) => useLink(app, tx, token, origin))
        if (action === 'skip-sleep')
          return { title: `${cluster.name} stays awake`, content: html`<p>${awakeUntil(cluster)}</p>` }
        if (action === 'extend')
          return {
            title: `${cluster.name} is extended`,
            content: html`<p>It ends ${when(destroyStartsAt(cluster))}.</p>`,
          }
        return {
          title: `${cluster.name} is being destroyed`,
          content: html`<p>You are told when it is gone and proved empty.</p>`,
        }
      }),
  )
