// Sends mail through the SMTP server of OCPCTL_SMTP_URL. A server that hangs costs a send its time, and nothing else.
import { createTransport } from 'nodemailer'

const CONNECT_MS = 10_000
const SILENT_MS = 20_000

export type MailText = {
  /** The same at each try, by which a receiver recognises a mail that it has had. */
  id: string
  to: string
  subject: string
  text: string
}
export type Mailer = { send: (mail: MailText) => Promise<void>; close: () => void }

const isLoopback = (host: string) => ['localhost', '127.0.0.1', '[::1]'].includes(host)

/** `?from=` in the URL names the sender. A password goes to another machine only over TLS. */
export function openMailer(smtpUrl: string): Mailer {
  const url = new URL(smtpUrl)
  const host = url.hostname
  const from = url.searchParams.get('from') ?? `ocpctl@${host}`
  const isImplicit = url.protocol === 'smtps:'
  const user = decodeURIComponent(url.username)
  const transport = createTransport({
    host: host.startsWith('[') ? host.slice(1, -1) : host,
    port: url.port === '' ? (isImplicit ? 465 : 587) : Number(url.port),
    secure: isImplicit,
    requireTLS: !isImplicit && user !== '' && !isLoopback(host),
    ...(user === '' ? {} : { auth: { user, pass: decodeURIComponent(url.password) } }),
    pool: true,
    maxConnections: 4,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SILENT_MS,
    dnsTimeout: CONNECT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    async send({ id, to, subject, text }) {
      await transport.sendMail({
        from: { name: 'ocpctl', address: from },
        to: { name: '', address: to },
        subject,
        text,
        messageId: `<${id}@${host.replaceAll(/[^\w.-]/g, '')}>`,
        // No out-of-office answers, please (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated' },
      })
    },
    close: () => transport.close(),
  }
}
