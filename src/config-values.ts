// What the values of the environment's variables may look like. config.ts names the variables.
import proxyAddr from '@fastify/proxy-addr'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'

export const url = (protocols: string[]) =>
  z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
    error: `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  })

export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, { error: `must be a whole number from ${min} to ${max}` })
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error: `must be a whole number from ${min} to ${max}` })

const isLoopback = ({ hostname }: URL) => ['localhost', '127.0.0.1', '[::1]'].includes(hostname)

/** Plain HTTP is only safe on this host: somebody who reads or changes the traffic could claim any identity. */
export const safeUrl = (value: string): boolean =>
  URL.canParse(value) &&
  new URL(value).username + new URL(value).password === '' &&
  (new URL(value).protocol === 'https:' || (value.startsWith('http://') && isLoopback(new URL(value))))
export const list = (check: (item: string) => boolean, error: string) =>
  z
    .string()
    .transform((text) => text.split(',').map((item) => item.trim()))
    .superRefine((items, context) => {
      // Named by its position, because an item may be a secret.
      const wrong = items.findIndex((item) => !check(item))
      const place = items.length > 1 ? `; number ${wrong + 1} of yours is not one` : ''
      if (wrong !== -1) context.addIssue({ code: 'custom', message: `${error}${place}` })
    })

export const isProxy = (item: string): boolean => {
  try {
    proxyAddr.compile(item)
    return true
  } catch {
    return false
  }
}
export const isOrigin = (item: string): boolean =>
  URL.canParse(item) && new URL(item).origin === item && /^https?:$/.test(new URL(item).protocol)
export const isSmtpUrl = (value: string): boolean =>
  URL.canParse(value) &&
  ['smtp:', 'smtps:'].includes(new URL(value).protocol) &&
  new URL(value).hostname !== '' &&
  [...new URL(value).searchParams.keys()].every((key) => key === 'from')
export const isPublicUrl = (value: string): boolean =>
  URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && new URL(value).search + new URL(value).hash === ''
export const isNetwork = (value: string): boolean => ipaddr.isValidCIDR(value)
export const SECRETS_KEY_FORM = '32 bytes in base64, as `openssl rand -base64 32` prints them'
export const isSecretsKey = (value: string): boolean => /^[A-Za-z0-9+/]{43}=$/.test(value)
