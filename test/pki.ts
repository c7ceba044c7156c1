// Certificates for tests, of an authority that each test makes for itself.
import { generate } from 'selfsigned'

type Fields = { names?: string[]; organization?: string; until?: Date; from?: Date }
export type Issued = { cert: string; key: string }
export type Authority = { cert: string; key: string; issue: (commonName: string, fields?: Fields) => Promise<Issued> }

const kind = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const

export async function makeAuthority(name = 'test-authority'): Promise<Authority> {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...kind,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  })
  const ca = { key: made.private, cert: made.cert }
  return {
    ...ca,
    async issue(commonName, { names = [], organization, until, from } = {}) {
      const { cert, private: key } = await generate(
        [
          ...(organization === undefined ? [] : [{ name: 'organizationName', value: organization }]),
          { name: 'commonName', value: commonName },
        ],
        {
          ...kind,
          ca,
          ...(until && { notAfterDate: until }),
          ...(from && { notBeforeDate: from }),
          extensions: [
            { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
            ...(names.length === 0
              ? []
              : [{ name: 'subjectAltName' as const, altNames: names.map((value) => ({ type: 2 as const, value })) }]),
          ],
        },
      )
      return { cert, key }
    },
  }
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** As the installer writes it. */
export const kubeconfigOf = (server: string, ca: string, { cert, key }: Issued): string => `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${base64(ca)}
    server: ${server}
  name: c
contexts:
- context:
    cluster: c
    user: admin
  name: admin
current-context: admin
kind: Config
preferences: {}
users:
- name: admin
  user:
    client-certificate-data: ${base64(cert)}
    client-key-data: ${base64(key)}
`
