// What is shown of a log where no entry fits: the lines that tell, and the cloud's own code.
import type { LogLine } from './log-line.ts'

/** Brackets and rules, source lines of Terraform, and what Terraform says after every error. */
const EMPTY =
  /^[\s{}[\]()<>,"'│╷╵|=*_.-]*$|^(?:[│|]\s*)?(?:on|with) \S.{0,300}?(?: line \d+.*|,)\s*$|^(?:[│|]\s*)?\d{1,6}: |^\d{1,4} errors? occurred|Error applying plan|Help Token|"@type"|Terraform does not automatically|^Instead, your Terraform|^any resources that|^above and apply again|^null$/i
const TELLING =
  /\bError: |\bERROR CODE|\bcode\b|"?\bmessage\b|\bfailed\b|failure|\bcannot\b|denied|refused|not found|timed? ?out|Condition \w+ has status|^panic: |exceeded/i

/** A long line says at its beginning what it is. */
const LOOKED_AT = 2000

const isEmpty = (said: string) => EMPTY.test(said.trimStart().slice(0, LOOKED_AT))

/** The lines that tell most. The same text is shown once. */
export function linesThatTell(lines: readonly LogLine[], most: number): LogLine[] {
  const texts = new Set<string>()
  const full = lines.filter(({ said }) => !isEmpty(said) && !texts.has(said.trim()) && texts.add(said.trim()))
  const telling = full.filter(({ said }) => TELLING.test(said.slice(0, LOOKED_AT)))
  if (telling.length > 0) return telling.slice(-most)
  return (full.length > 0 ? full : lines).slice(-most)
}

type Voice = { cloud: string; speaks: RegExp; codes: RegExp[] }

const voices: Voice[] = [
  {
    cloud: 'Azure',
    speaks: /\bazure\b|\bautorest\b|\bMicrosoft\.[A-Z]|\bERROR CODE: |management\.azure|\bOriginal Error: /i,
    codes: [/\b(?:Code=\\*"|ERROR CODE: |code\\*": ?\\*")([A-Z][A-Za-z_]{3,60})/g],
  },
  {
    cloud: 'Google',
    speaks: /googleapi|googleapis\.com/i,
    codes: [
      /"reason": ?"([A-Za-z_]{4,60})"/g,
      /, ([a-z][A-Za-z]{4,40})(?=\s*(?:$|["\n]))/g,
      /\b([A-Z]{3,20}(?:_[A-Z]{2,20}){1,6})\b/g,
    ],
  },
  {
    cloud: 'IBM Cloud',
    speaks: /\bibm_|\bcloud\.ibm\.com|IBMVPC|\bBXNIM/,
    codes: [/\b(BXNIM\d{4}E)\b/g, /\bcode\\*"?[:=] ?\\*"?([a-z][a-z_]{3,60})\b/g],
  },
  {
    cloud: 'AWS',
    speaks: /api error |status code: \d{3}, request id|\baws_|\bAWS|\bEC2\b/,
    codes: [/api error ([A-Z][A-Za-z.]{3,60})/g, /: ([A-Z][a-z]+[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)?): /g],
  },
]
/** Codes that only say that a part of it failed. */
const OUTER = /^(?:DeploymentFailed|ResourceDeploymentFailure|Conflict|BadRequest|Failed|InternalError)$/

/** `Azure says ScopeLocked`: of codes within each other the innermost that says something. */
export function cloudSays(lines: readonly LogLine[]): string | undefined {
  const text = lines
    .slice(-60)
    .map(({ said }) => said.slice(0, 8000))
    .join('\n')
  for (const { cloud, speaks, codes } of voices) {
    if (!speaks.test(text)) continue
    const found = codes.flatMap((code) => [...text.matchAll(code)].map((match) => match[1] ?? ''))
    const said = found.findLast((code) => !OUTER.test(code)) ?? found.at(-1)
    if (said !== undefined) return `${cloud} says ${said}`
  }
  return undefined
}
