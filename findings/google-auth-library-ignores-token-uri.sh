#!/usr/bin/env bash
# google-auth-library 11.3.4: a service account's key file whose token_uri is another place than oauth2.googleapis.com.
#
# Expected: the token is asked for at token_uri, with it as the audience, as Google's libraries for Go and Python do.
# Seen: token_uri is not read. The signed assertion is posted to https://oauth2.googleapis.com/token, with that as the audience.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --silent --no-audit --no-fund node@24.21.0 google-auth-library@11.3.4 >/dev/null
cat >run.js <<'JS'
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { GoogleAuth } from 'google-auth-library'

let asked = 0
const server = createServer((_, response) => {
  asked++
  response.setHeader('content-type', 'application/json')
  response.end('{"access_token":"a","expires_in":3600,"token_type":"Bearer"}')
}).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const credentials = {
  type: 'service_account',
  client_email: 'a@b.iam.gserviceaccount.com',
  private_key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  token_uri: `http://127.0.0.1:${server.address().port}/token`,
}
const client = await new GoogleAuth({ credentials, scopes: 'https://www.googleapis.com/auth/cloud-platform' }).getClient()
// Nothing leaves this machine: what is sent elsewhere is kept.
let elsewhere
client.transporter = {
  async request({ url, data }) {
    if (new URL(url).hostname === '127.0.0.1') return { data: await (await fetch(url, { method: 'POST' })).json() }
    const [, claims] = new URLSearchParams(data).get('assertion').split('.')
    elsewhere = { url: String(url), aud: JSON.parse(Buffer.from(claims, 'base64url')).aud }
    return { data: { access_token: 'b', expires_in: 3600, token_type: 'Bearer' } }
  },
}
await client.getAccessToken()
console.log(`${asked} at token_uri, then ${elsewhere?.url} for ${elsewhere?.aud}`)
server.close()
JS
said=$(node_modules/.bin/node run.js)
echo "$said"
[[ $said == '0 at token_uri, then https://oauth2.googleapis.com/token for https://oauth2.googleapis.com/token' ]]
