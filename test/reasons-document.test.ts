// The table of reasons is written from the catalogue: `npx vitest run test/reasons-document.test.ts -u` writes it anew.
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { catalogue, reasonsByPlatform } from '../src/diagnosis/catalog.ts'
import type { Reason, Source } from '../src/diagnosis/entry.ts'
import { ROOT } from './harness.ts'

const titles: Record<string, string> = {
  aws: 'AWS',
  azure: 'Azure',
  gcp: 'Google Cloud',
  ibmcloud: 'IBM Cloud',
  any: 'Any platform',
}
const actors = { requester: 'requester', 'platform-team': 'platform team', 'cloud-provider': 'cloud' }
const sources: Record<Source, string> = {
  Hive: 'the regexes with which OpenShift Hive reads logs: `install-log-regexes` in openshift/hive',
  installer: 'the code of openshift/installer',
  reports: 'reports of users, mostly issues of openshift/installer and okd-project/okd',
  AWS: 'the error codes of Amazon EC2, ELB, IAM and Route 53',
  Azure: 'the error codes of Azure Resource Manager',
  Google: 'the errors of the Google Cloud APIs',
  IBM: 'the error codes of the IBM Cloud VPC API and of IBM Cloud IAM',
  ours: 'this service',
}

function againOf({ retry }: Reason): string {
  if (!retry.worthwhile) return 'no'
  const { delaySeconds, maxAttempts } = retry
  const delay = delaySeconds < 60 ? `${delaySeconds} s` : `${Math.round(delaySeconds / 60)} min`
  return `after ${delay}${maxAttempts === undefined ? '' : `, ${maxAttempts} in all`}`
}

const rowOf = (reason: Reason): string[] => [
  `\`${reason.reason}\``,
  reason.remedy.replaceAll('|', String.raw`\|`),
  actors[reason.actor],
  againOf(reason),
  { true: 'yes', false: 'no', 'by-exit-code': 'by exit code' }[String(reason.infrastructureMayExist)] ?? '',
  reason.source,
]

function tableOf(rows: string[][]): string {
  const head = ['reason', 'what happened, and what to do', 'who acts', 'again', 'made', 'source']
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function documentOf(): string {
  const sections = Object.entries(titles).map(([platform, title]) => {
    const reasons = reasonsByPlatform.flatMap((group) => (group.platform === platform ? group.reasons : []))
    return `## ${title}\n\n${tableOf(reasons.map(rowOf))}\n`
  })
  const list = Object.entries(sources).map(([source, text]) => `- **${source}**: ${text}\n`)
  return `# Why an installation or a removal fails

The reasons that \`diagnose\` and the worker tell, written from the catalogue in \`src/diagnosis/\`. Within a platform the first that
fits is told. A specific reason goes before a general one, and that before a symptom.

- **Who acts**: the requester changes the request or its profile, the platform team the account, the worker or the installation; the
  cloud mends itself, or its support does.
- **Again**: whether another attempt is worth it, how long after the failure, and how many attempts there are at most with the first.
- **Made**: whether something may exist in the cloud. By exit code: the code and the log tell.

The wordings come from:

${list.join('')}
${sections.join('\n')}`
}

it('the document is of the catalogue', async () => {
  await expect(documentOf()).toMatchFileSnapshot(join(ROOT, 'docs/reasons.md'))
})

it('every reason has a platform, and one alone', () => {
  const listed = reasonsByPlatform.flatMap(({ reasons }) => reasons)
  expect(listed.map(({ reason }) => reason).toSorted()).toEqual(catalogue.map(({ reason }) => reason).toSorted())
})
