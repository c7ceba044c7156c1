import { Readable } from 'node:stream'
import { z } from '@hono/zod-openapi'
import { nameOf } from '../../auth/principal.ts'
import { artifactKinds, listArtifacts, readArtifact, type ArtifactRow } from '../../clusters/artifacts.ts'
import { toPage } from '../../db/page.ts'
import { idParam, json, operationsOf, pageOf, pageQuery, router } from '../router.ts'

const operation = operationsOf('artifacts')

const artifactSchema = z
  .object({
    id: z.string(),
    kind: z.enum(artifactKinds),
    stage: z.string().openapi({ description: 'Where the installation was when it was stored' }),
    infraId: z.string().nullable(),
    sizeBytes: z.int().openapi({ description: 'As it is stored, sealed' }),
    sha256: z.string().openapi({ description: 'Of the stored bytes' }),
    createdAt: z.iso.datetime(),
  })
  .openapi('Artifact')

function showArtifact(row: ArtifactRow): z.infer<typeof artifactSchema> {
  const { id, kind, stage, infraId, sizeBytes, sha256 } = row
  return { id, kind, stage, infraId, sizeBytes, sha256, createdAt: row.createdAt.toISOString() }
}

const id = idParam('clu')

export const artifactRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/clusters/{id}/artifacts',
      operationId: 'listArtifacts',
      summary: 'What is stored of a cluster, newest first',
      request: { params: id, query: z.object(pageQuery) },
      responses: { 200: json(pageOf(artifactSchema), 'A page of artifacts') },
    }),
    async (c) => {
      const { app, by } = c.var
      const page = c.req.valid('query')
      const rows = await listArtifacts(app.db, by, c.req.valid('param').id, page)
      return c.json(toPage(rows, page.limit, showArtifact), 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/clusters/{id}/artifacts/{artifactId}/content',
      operationId: 'readArtifact',
      summary: "A snapshot of the installer's directory, credentials included; each reading is audited",
      request: { params: id.extend({ artifactId: z.string().max(64) }) },
      responses: {
        200: {
          description: 'The archive: tar, compressed by zstd',
          content: { 'application/zstd': { schema: z.string().openapi({ format: 'binary' }) } },
        },
      },
      fails: [409, 503],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: clusterId, artifactId } = c.req.valid('param')
      const close = c.var.limits.openStream(nameOf(by))
      const { content, filename } = await readArtifact(app, by, clusterId, artifactId).catch((error: unknown) => {
        close()
        throw error
      })
      content.once('close', close)
      // A client that is gone, or that asked only for the headers, will not read to the end.
      const { signal } = c.req.raw
      signal.addEventListener('abort', () => content.destroy(), { once: true })
      if (signal.aborted || c.req.method === 'HEAD') content.destroy()
      c.header('content-type', 'application/zstd')
      c.header('content-disposition', `attachment; filename="${filename}"`)
      const body = content.destroyed ? '' : (Readable.toWeb(content) as ReadableStream) // the global of the same class
      return c.body(body, 200) as never // the types know of no stream of this kind
    },
  )
