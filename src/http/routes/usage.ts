import { z } from '@hono/zod-openapi'
import { stream } from 'hono/streaming'
import { requireAnywhere } from '../../auth/permissions.ts'
import { clusterFor } from '../../clusters/queries.ts'
import { AppError } from '../../errors.ts'
import { csvLine, focusHeader, focusLine, focusVersions, type FocusVersion } from '../../usage/focus.ts'
import {
  exportDays,
  groupings,
  listSamples,
  nothing,
  priceBookOf,
  readUsage,
  steps,
  type Usage,
} from '../../usage/report.ts'
import { windowBefore, windowNames, windowOf, type Window } from '../../usage/window.ts'
import { forecastUsage, MOST_MONTHS } from '../../usage/forecast.ts'
import { json, operationsOf, repeatedQuery, router, wholeQuery } from '../router.ts'
import { clusterStatuses } from '../../vocabulary.ts'
import { instant, time } from './shapes.ts'

const operation = operationsOf('usage')

const windowQuery = {
  from: instant.optional().openapi({ description: 'Included.' }),
  to: instant.optional().openapi({ description: 'Not included; now when left out.' }),
  window: z
    .string()
    .max(16)
    .optional()
    .openapi({ pattern: `^(${windowNames.join('|')}|[1-9]\\d{0,3}[mhdw])$`, description: `Instead of from and to: ${windowNames.join(', ')}, or 24h, 7d, 4w until now. This month when all are left out.` }), // prettier-ignore
}
const amount = {
  clusters: z.int(),
  hours: z.number().openapi({ description: 'Of the lives of the clusters, in whatever state.' }),
  nodeHours: z.number(),
  vcpuHours: z.number(),
  asleepHours: z.number().openapi({ description: 'Of the hours, those in which they slept.' }),
  usd: z.number(),
  usdSaved: z.number().openapi({ description: 'What they would have cost more, awake.' }),
}
const priceBook = z.string().openapi({ description: 'The version of the prices that new clusters get.' })
const amountSchema = z.object(amount).openapi('UsageAmount')
const item = z
  .object({
    team: z.string().nullable().optional(),
    owner: z.string().nullable().optional(),
    profile: z.string().nullable().optional(),
    costCenter: z.string().nullable().optional(),
    platform: z.string().nullable().optional(),
    region: z.string().nullable().optional(),
    cluster: z.string().nullable().optional(),
    day: z.string().nullable().optional(),
    step: z.string().optional().openapi({ description: 'The first day of the step.' }),
    ...amount,
    previous: amountSchema.optional().openapi({ description: 'The same in the window before, with compare=previous.' }),
  })
  .openapi('UsageItem')
const usageSchema = z
  .object({
    from: time,
    to: time,
    priceBook,
    items: z.array(item),
    unowned: z
      .array(z.object({ kind: z.enum(['unproved', 'leaked']), ...amount }))
      .openapi({ description: 'What may still stand though its destroy failed, or was given up: of no team.' }),
    total: amountSchema,
    previous: z.object({ from: time, to: time, total: amountSchema }).optional(),
  })
  .openapi('Usage')
const forecastItem = z
  .object({
    team: z.string(),
    month: z.string(),
    usdSpent: z.number(),
    usdCommitted: z.number().openapi({ description: 'Spent, and to come.' }),
    usdReserved: z.number().nullable().openapi({
      description: 'What counts against the limit of this month: each cluster from its request, at its full price.',
    }),
    usdLimit: z.number().nullable(),
    isNear: z.boolean().openapi({ description: 'At 80 % of the limit, or past it.' }),
  })
  .openapi('ForecastItem')
const samples = z
  .object({
    priceBook,
    items: z.array(
      z.object({
        at: time,
        status: z.enum(clusterStatuses),
        nodes: z.int(),
        vcpu: z.int(),
        usdPerHour: z.number(),
      }),
    ),
  })
  .openapi('UsageSamples')

/** What the caller would rather have: JSON, unless it names CSV. Throws BAD_INPUT for a profile of CSV that is not known. */
function formatOf(accept: string | undefined): 'json' | 'csv' | FocusVersion {
  const csv = (accept ?? '').split(',').find((type) => type.trim().startsWith('text/csv'))
  if (csv === undefined) return 'json'
  const profile = /;\s*profile="?([^";\s]+)"?/.exec(csv)?.[1]
  if (profile === undefined) return 'csv'
  const version = focusVersions.find((known) => profile === `focus-${known}`)
  if (version) return version
  throw new AppError('BAD_INPUT', `there is no text/csv of the profile "${profile}"; there are ${focusVersions.map((known) => `focus-${known}`).join(', ')}`) // prettier-ignore
}

export const usageRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/usage',
      operationId: 'getUsage',
      summary: 'Hours and cost of the clusters of your teams',
      description: 'As JSON, as text/csv, or with `Accept: text/csv;profile=focus-1.2` a row a cluster, a day and a state as FOCUS 1.2 has it (focus-1.0 likewise).', // prettier-ignore
      request: {
        query: z.object({
          ...windowQuery,
          groupBy: repeatedQuery(groupings).openapi({ description: 'By team when left out.' }),
          step: z
            .enum(steps)
            .optional()
            .openapi({ description: 'Divides the window: an item for each day, week or month.' }),
          compare: z.enum(['previous']).optional(),
          team: z.string().max(128).optional(),
          asOf: instant.optional().openapi({ description: 'As it was reported at that instant.' }),
        }),
      },
      responses: {
        200: {
          description: 'The usage',
          content: { 'application/json': { schema: usageSchema }, 'text/csv': { schema: z.string() } },
        },
      },
    }),
    async (c) => {
      const { app, by } = c.var
      const { groupBy: asked, step, compare, team, asOf, ...wanted } = c.req.valid('query')
      const now = asOf === undefined ? new Date() : new Date(Math.min(Date.parse(asOf), Date.now()))
      const found = windowOf(wanted, now)
      const window = { from: found.from, to: new Date(Math.max(found.from.getTime(), Math.min(found.to.getTime(), now.getTime()))) } // prettier-ignore
      const format = formatOf(c.req.header('accept'))
      if (format !== 'json' && format !== 'csv') return exportFocus(format, window, team)
      const groupBy = [...new Set(asked ?? (['team'] as const))]
      const before = windowBefore(found)
      const [usage, previous] = await Promise.all([
        readUsage(app, by, window, groupBy, { step, team }),
        compare ? readUsage(app, by, before, groupBy, { team }) : undefined,
      ])
      const book = priceBookOf(app)
      if (format === 'csv') {
        c.header('content-type', 'text/csv; charset=utf-8')
        return c.body(csvOf(usage, groupBy, step !== undefined, book)) // the types know one kind of answer
      }
      const sumsBefore = previous && sumsByGroup(previous)
      const shown = usage.items.map(({ group, step: first, ...sums }) => ({
        ...group,
        ...(first === undefined ? {} : { step: first }),
        ...sums,
        ...(sumsBefore ? { previous: sumsBefore(group) } : {}),
      }))
      const range = (of: Window) => ({ from: of.from.toISOString(), to: of.to.toISOString() })
      return c.json(
        {
          ...range(found),
          priceBook: book,
          items: shown,
          unowned: usage.unowned,
          total: usage.total,
          ...(previous ? { previous: { ...range(before), total: previous.total } } : {}),
        },
        200,
      )

      function exportFocus(version: FocusVersion, of: Window, team: string | undefined) {
        const source = { installationId: app.installationId, priceBook: priceBookOf(app) }
        c.header('content-type', `text/csv; charset=utf-8; profile=focus-${version}`)
        c.header('content-disposition', `attachment; filename="ocpctl-focus-${version}.csv"`)
        return stream(c, async (out) => {
          try {
            await out.write(focusHeader(version))
            for await (const rows of exportDays(app, by, of, team)) {
              if (out.aborted) return
              await out.write(rows.map((row) => focusLine(row, version, source)).join(''))
              // The export may go on for longer than the caller's right to it.
              requireAnywhere(await c.var.renew(), 'usage.read')
            }
          } catch (error) {
            app.log.error({ err: error, requestId: c.var.requestId }, 'an export broke off')
            // A connection that ends early is the only way to say that the lines before are not all.
            throw error
          }
        }) as never // the types know of no stream of this kind
      }
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/usage/forecast',
      operationId: 'forecastUsage',
      summary: 'What your teams have spent, and will have when all clusters live until their end as they are now',
      request: { query: z.object({ months: wholeQuery(1, MOST_MONTHS, 3) }) },
      responses: { 200: json(z.object({ priceBook, items: z.array(forecastItem) }), 'By month and team') },
    }),
    async (c) => {
      const { app, by } = c.var
      const items = await forecastUsage(app, by, c.req.valid('query').months, new Date())
      const shown = items.map(({ usdReserved = null, usdLimit = null, ...item }) => ({
        ...item,
        usdReserved,
        usdLimit,
      }))
      return c.json({ priceBook: priceBookOf(app), items: shown }, 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/usage/samples',
      operationId: 'listUsageSamples',
      summary: 'The series of a cluster: what it was, from which instant on',
      request: {
        query: z.object({ clusterId: z.string().max(64), ...windowQuery }),
      },
      responses: { 200: json(samples, 'At most 10,000 samples, oldest first') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { clusterId, ...wanted } = c.req.valid('query')
      const cluster = await clusterFor(app.db, by, 'cluster.read', clusterId)
      const rows = await listSamples(app.db, cluster.id, windowOf(wanted, new Date()))
      return c.json(
        { priceBook: priceBookOf(app), items: rows.map((row) => ({ ...row, at: row.at.toISOString() })) },
        200,
      )
    },
  )

/** The sums of each group. */
function sumsByGroup({ items }: Usage) {
  const sums = new Map(
    items.map(({ group, clusters, hours, nodeHours, vcpuHours, asleepHours, usd, usdSaved }) => [
      JSON.stringify(group),
      { clusters, hours, nodeHours, vcpuHours, asleepHours, usd, usdSaved },
    ]),
  )
  return (group: Usage['items'][number]['group']) => sums.get(JSON.stringify(group)) ?? nothing
}

function csvOf({ items, unowned }: Usage, groupBy: readonly string[], hasStep: boolean, priceBook: string): string {
  const sums = ['clusters', 'hours', 'nodeHours', 'vcpuHours', 'asleepHours', 'usd', 'usdSaved'] as const
  const header = csvLine(['kind', ...(hasStep ? ['step'] : []), ...groupBy, ...sums, 'priceBook'])
  const owned = items.map((each) =>
    csvLine([
      'owned',
      ...(hasStep ? [each.step ?? null] : []),
      ...groupBy.map((key) => each.group[key as keyof typeof each.group] ?? null),
      ...sums.map((key) => each[key]),
      priceBook,
    ]),
  )
  const others = unowned.map((each) =>
    csvLine([
      each.kind,
      ...(hasStep ? [null] : []),
      ...groupBy.map(() => null),
      ...sums.map((key) => each[key]),
      priceBook,
    ]),
  )
  return [header, ...owned, ...others].join('')
}
