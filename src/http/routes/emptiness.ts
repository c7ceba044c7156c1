import { createRoute, z } from '@hono/zod-openapi'
import { certificateSchema, type Certificate } from '../../emptiness/certificate.ts'
import { listPublicKeys, readCertificate } from '../../emptiness/issue.ts'
import { idParam, json, jsonText, operationsOf, router } from '../router.ts'

const operation = operationsOf('clusters')

const emptinessCertificate = z.object(certificateSchema.shape).openapi('EmptinessCertificate')

export const emptinessRoutes = router().openapi(
  operation({
    method: 'get',
    path: '/clusters/{id}/emptiness',
    operationId: 'getEmptiness',
    summary: 'The signed certificate that a destroyed cluster has left nothing',
    request: { params: idParam('clu') },
    responses: { 200: json(emptinessCertificate, 'As it was signed') },
  }),
  async (c) => {
    const { app, by } = c.var
    const text = await readCertificate(app.db, by, c.req.valid('param').id)
    return jsonText<Certificate>(c, text)
  },
)

export const keyRoutes = router().openapi(
  createRoute({
    method: 'get',
    path: '/.well-known/ocpctl-keys.json',
    operationId: 'getCertificateKeys',
    summary: 'The public keys of certificates of emptiness, old ones too (RFC 7517)',
    tags: ['clusters'],
    security: [],
    responses: {
      200: json(
        z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).openapi('CertificateKeys'),
        'The newest comes first',
      ),
    },
  }),
  async (c) => c.json({ keys: (await listPublicKeys(c.var.app)).map((key) => ({ ...key })) }, 200),
)
