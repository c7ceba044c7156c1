// The shape of a request for a cluster.
import { z } from 'zod'
import { offHoursOrTag } from '../hours/custodian.ts'
import { readSshKey } from '../install-config/ssh-key.ts'
import { platforms } from '../vocabulary.ts'

/** Only a label, of at most 21 characters, so that the infraID keeps the whole name. */
export const clusterName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,19}[a-z0-9])?$/, {
  error: 'must be a DNS label of at most 21 characters: lower-case letters, digits and dashes, such as demo-1',
})
// Generators of clients and of test cases read this pattern, in their own languages: it names no Unicode class.
// oxlint-disable-next-line no-control-regex
const SHOWN = /^\s*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$/
/** Text that people give, of at most this many characters. */
export const words = (longest: number) =>
  z.string().max(longest).trim().min(1, { abort: true }).regex(SHOWN, { error: 'may not hold control characters' })
const word = words(128)

// Only plain letters, so that no team looks like another one.
const TEAM = '[A-Za-z0-9](?:[A-Za-z0-9 ._:/@+=-]{0,126}[A-Za-z0-9])?'
const TEAM_SAID =
  'has 1 to 128 letters A to Z, digits, spaces or any of . _ : / @ + = -, with a letter or digit at both ends'
const teamName = z
  .string()
  .trim()
  .regex(new RegExp(`^${TEAM}$`), { error: TEAM_SAID })
/** The team of a role; a role may be for all teams. */
export const teamOrAll = z
  .string()
  .trim()
  .regex(new RegExp(`^(?:\\*|${TEAM})$`), { error: `${TEAM_SAID}; or is *, for all teams` })

export const clusterRequest = z.strictObject({
  name: clusterName,
  platform: z.enum(platforms),
  profile: z.string().min(1).max(63),
  version: z.string().max(32).optional(),
  region: z.string().max(64).optional(),
  baseDomain: z.string().max(253).optional(),
  ttlHours: z.int().min(1).max(8760).optional(),
  owner: word.optional(),
  team: teamName.optional(),
  costCenter: word.optional(),
  sshPublicKey: z
    .string()
    .max(16_384)
    .superRefine((line, context) => {
      const key = readSshKey(line)
      if (typeof key === 'string') context.addIssue({ code: 'custom', message: key })
    })
    .describe('One line of an OpenSSH public key, which may then sign in to the nodes.')
    .optional(),
  workerReplicas: z.int().min(0).max(1000).optional(),
  tags: z.record(z.string().min(1).max(128), z.string().max(256)).optional(),
  offHours: offHoursOrTag.optional(),
  preserveOnFailure: z.boolean().optional(),
})
export type ClusterRequest = z.infer<typeof clusterRequest>
