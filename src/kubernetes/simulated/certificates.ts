// Signing requests as nodes make them.
import { webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** In the form of the API: PEM in base64. */
export async function makeRequest(node: string, signer: 'client' | 'serving'): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=system:node:${node}, O=system:nodes`,
    keys,
    signingAlgorithm: algorithm,
    extensions: signer === 'serving' ? [new SubjectAlternativeNameExtension([{ type: 'dns', value: node }, { type: 'ip', value: '10.0.0.1' }])] : [], // prettier-ignore
  })
  return Buffer.from(request.toString('pem')).toString('base64')
}
