import { z } from '@hono/zod-openapi'
import { readCredential, readOutputs } from '../../clusters/outputs.ts'
import { idParam, json, operationsOf, router } from '../router.ts'

const operation = operationsOf('clusters')

const outputs = z
  .object({ apiUrl: z.string(), consoleUrl: z.string().nullable(), kubeadminUser: z.string(), kubeconfig: z.string() })
  .openapi('Outputs')
const id = idParam('clu')

export const outputRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/clusters/{id}/outputs',
      operationId: 'getOutputs',
      summary: 'Where a READY cluster is; no credential',
      request: { params: id },
      responses: { 200: json(outputs, 'The outputs') },
      fails: [409],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: clusterId } = c.req.valid('param')
      const row = await app.db.transaction((tx) => readOutputs(tx, by, clusterId))
      return c.json(
        {
          apiUrl: row.apiUrl,
          consoleUrl: row.consoleUrl,
          kubeadminUser: 'kubeadmin',
          kubeconfig: `/api/v1/clusters/${clusterId}/kubeconfig`,
        },
        200,
      )
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/clusters/{id}/kubeconfig',
      operationId: 'getKubeconfig',
      summary: 'The administrator kubeconfig of a READY cluster; each reading is audited',
      request: { params: id },
      responses: {
        200: {
          description: 'The kubeconfig',
          content: { 'application/yaml': { schema: z.record(z.string(), z.unknown()) } },
        },
      },
      fails: [409],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: clusterId } = c.req.valid('param')
      const text = await app.db.transaction((tx) => readCredential(tx, app.box, by, clusterId, 'kubeconfig'))
      return c.body(text, 200, { 'content-type': 'application/yaml' })
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/clusters/{id}/kubeadmin-password',
      operationId: 'revealKubeadminPassword',
      summary: 'The kubeadmin password of a READY cluster; each reading is audited',
      request: { params: id },
      responses: {
        200: json(z.object({ user: z.string(), password: z.string() }), 'The password'),
      },
      fails: [409],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: clusterId } = c.req.valid('param')
      const password = await app.db.transaction((tx) =>
        readCredential(tx, app.box, by, clusterId, 'kubeadmin-password'),
      )
      return c.json({ user: 'kubeadmin', password }, 200)
    },
  )
