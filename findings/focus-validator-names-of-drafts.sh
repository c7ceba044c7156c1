#!/usr/bin/env bash
# focus-validator 1.0.0, --validate-version 1.0: a file with a column of FOCUS 1.0 that is named as FOCUS 1.0 names it.
#
# Expected: it asks for InvoiceIssuerName, ProviderName, PublisherName and ResourceId, the ids of these columns in version 1.0.
# Seen: it asks for InvoiceIssuer, Provider, Publisher and ResourceID, of drafts. No file that holds only columns of the
# specification is accepted.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install --quiet 'focus-validator==1.0.0' 'multimethod<2'
printf 'InvoiceIssuerName,ProviderName,PublisherName,ResourceId,ChargeCategory\nissuer,provider,publisher,id,Usage\n' >rows.csv
site=$(venv/bin/python -c 'import focus_validator, os; print(os.path.dirname(os.path.dirname(focus_validator.__file__)))')
said=$(cd "$site" && "$dir/venv/bin/focus-validator" --data-file "$dir/rows.csv" --validate-version 1.0 2>&1 || true)
wanted=$(grep -oE '^(InvoiceIssuer|Provider|Publisher|ResourceID)_Required failed' <<<"$said" | sort | tr '\n' ';')
echo "$wanted"
[[ $wanted == 'InvoiceIssuer_Required failed;Provider_Required failed;Publisher_Required failed;ResourceID_Required failed;' ]]
