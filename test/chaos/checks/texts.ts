// What the processes wrote.
import type { Evidence } from '../evidence.ts'

const KUBEADMIN_PASSWORD = /\b[A-Za-z0-9]{5}(?:-[A-Za-z0-9]{5}){3}\b/
const SHOWN = 60

export function secretsInLogs({ texts, secrets }: Evidence): string[] {
  const forms = secrets.flatMap(({ name, value }) => [
    { name, value },
    { name: `${name} in base64`, value: Buffer.from(value).toString('base64') },
    { name: `${name} in a URL`, value: encodeURIComponent(value) },
  ])
  return texts.flatMap(({ where, text }) => {
    const found = forms.filter(({ value }) => text.includes(value)).map(({ name }) => `${name} in ${where}`)
    const password = KUBEADMIN_PASSWORD.exec(text)
    if (password)
      found.push(
        `what looks like a kubeadmin password in ${where}: …${text.slice(Math.max(0, password.index - SHOWN), password.index)}…`,
      )
    return [...new Set(found)]
  })
}

/** What Node prints last when an error that nobody caught ends a process; a start that is refused does not look so. */
export function crashes({ texts }: Evidence): string[] {
  return texts.flatMap(({ where, text }) =>
    text
      .split(/^Node\.js v\d.*$/m)
      .slice(0, -1)
      .map((before) => {
        const message = before.match(/^\w*Error\b.*$/gm)?.at(-1) ?? before.slice(-200)
        return `a process crashed, see ${where}: ${message}`
      }),
  )
}
