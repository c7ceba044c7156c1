#!/usr/bin/env bash
# drizzle-kit 0.31.11, drizzle-orm 0.45.4: `generate` after a column was renamed, without a terminal.
#
# Expected: a migration, or an exit code that is not 0, since it has to ask whether the column was renamed and cannot.
# Seen: it prints that interactive prompts need a TTY, writes no migration, and exits with 0. A check that goes by the exit
# code, or by whether a file was written, takes a renamed column for "nothing to migrate".
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --silent --no-audit --no-fund drizzle-kit@0.31.11 drizzle-orm@0.45.4 >/dev/null
schema() {
  printf "import { pgTable, text } from 'drizzle-orm/pg-core'\nexport const things = pgTable('things', { id: text('id').primaryKey(), title: text('%s') })\n" "$1" >schema.js
}
generate() { npx drizzle-kit generate --dialect postgresql --schema schema.js --out out </dev/null 2>&1; }

schema title
generate >/dev/null
schema heading
code=0
said=$(generate) || code=$?
echo "$said" | tail -n 3
echo "exit code $code, $(ls out/*.sql | wc -l) migration"
[[ $code == 0 && $(ls out/*.sql | wc -l) == 1 ]] && grep -qi 'tty' <<<"$said"
