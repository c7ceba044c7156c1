#!/usr/bin/env bash
# pg 8.23.1: a Client whose server accepts the connection and closes it before the handshake is over, as a load balancer
# without a backend does.
#
# Expected: connect() rejects, and the event 'end' belongs to clients that were connected; or 'end' comes and connect() does not reject.
# Seen: both. connect() rejects and 'end' is emitted too, so that code which reconnects on either opens two connections for
# one, and two for each of these at the next outage.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --silent --no-audit --no-fund pg@8.23.1 >/dev/null
cat >run.js <<'JS'
import net from 'node:net'
import pg from 'pg'

const server = net.createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const heard = []
const client = new pg.Client({ host: '127.0.0.1', port: server.address().port, user: 'u', database: 'd', password: 'p' })
client.on('end', () => heard.push('end'))
client.on('error', () => heard.push('error'))
await client.connect().catch(() => heard.push('rejected'))
await new Promise((resolve) => setImmediate(resolve))
server.close()
console.log(heard.sort().join(' '))
JS
said=$(node run.js)
echo "$said"
[[ $said == *end* && $said == *rejected* ]]
