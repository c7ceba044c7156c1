#!/usr/bin/env bash
# node:readline of Node 24.21.0: newline-delimited JSON in which a string holds U+2028, which JSON.stringify leaves as it is.
#
# Expected: a line ends at a line feed, with or without a carriage return before it, so each line is one JSON value.
# Seen: a line also ends at U+2028 and U+2029. One value comes as two lines, of which neither is JSON.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --silent --no-audit --no-fund node@24.21.0 >/dev/null
cat >run.js <<'JS'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'

const text = `${JSON.stringify({ message: 'one\u2028two' })}\n`
let lines = 0
for await (const _ of createInterface({ input: Readable.from([Buffer.from(text)]), crlfDelay: Infinity })) lines++
console.log(`${text.split('\n').length - 1} by line feeds, ${lines} by readline`)
JS
said=$(node_modules/.bin/node run.js)
echo "$said"
[[ $said == '1 by line feeds, 2 by readline' ]]
