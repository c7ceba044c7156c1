import { z } from '@hono/zod-openapi'
import { authenticate } from '../../auth/authenticate.ts'
import { requireAnywhere } from '../../auth/permissions.ts'
import { nameOf } from '../../auth/principal.ts'
import { answerScrape } from '../metrics.ts'
import { operationsOf, router } from '../router.ts'
import { credentialOf, originOf } from '../session.ts'

const operation = operationsOf('health')

export const metricRoutes = router().openapi(
  operation({
    method: 'get',
    path: '/metrics',
    operationId: 'readMetrics',
    summary: 'The metrics of this process and the gauges of the database, for Prometheus',
    responses: {
      200: {
        description: 'Prometheus text 0.0.4, or OpenMetrics 1.0.0 for those who accept it',
        content: { 'text/plain': { schema: z.string() }, 'application/openmetrics-text': { schema: z.string() } },
      },
    },
  }),
  async (c) => {
    const { app, limits } = c.var
    await limits.countRequest(c)
    const credential = credentialOf(c)
    const renew = () => authenticate(app.authenticators, credential, originOf(c))
    const by = await limits.countFailures(c, credential, renew)
    c.set('by', by)
    await limits.countCaller(c, nameOf(by))
    requireAnywhere(by, 'metrics.read')
    return answerScrape(app.metrics, c.req.header('accept')) // a body of text, as it is described
  },
)
