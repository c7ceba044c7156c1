#!/usr/bin/env bash
# versitygw 1.8.0, PutObject with x-amz-server-side-encryption: aws:kms and the id of a key; the server has no KMS.
#
# Expected: a refusal, such as NotImplemented, since S3 promises that an object which was put so is stored encrypted so.
# Seen: 200. Neither the answer nor HeadObject names an encryption, and the object lies in the file system as it is.
# Whoever needs the encryption must read the answer.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
GOBIN=$dir go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
npm install --silent --no-audit --no-fund --prefix "$dir" @aws-sdk/client-s3@3.1164.0
mkdir files sidecar
port=$(node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })")
ROOT_ACCESS_KEY_ID=user ROOT_SECRET_ACCESS_KEY=password ./versitygw --port "127.0.0.1:$port" --quiet posix --sidecar "$dir/sidecar" "$dir/files" >/dev/null 2>&1 &
server=$!
cat >put.mjs <<'JS'
import { CreateBucketCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
const client = new S3Client({ endpoint: `http://127.0.0.1:${process.argv[2]}`, region: 'us-east-1', forcePathStyle: true, maxAttempts: 20, credentials: { accessKeyId: 'user', secretAccessKey: 'password' } })
await client.send(new CreateBucketCommand({ Bucket: 'bucket' }))
const at = { Bucket: 'bucket', Key: 'key' }
const put = await client.send(new PutObjectCommand({ ...at, Body: 'in the clear', ServerSideEncryption: 'aws:kms', SSEKMSKeyId: '1234abcd-12ab-34cd-56ef-1234567890ab' }))
const head = await client.send(new HeadObjectCommand(at))
console.log(put.$metadata.httpStatusCode, put.ServerSideEncryption, head.ServerSideEncryption)
JS
seen="$(node put.mjs "$port") $(cat files/bucket/key)"
echo "$seen"
[[ $seen == '200 undefined undefined in the clear' ]]
