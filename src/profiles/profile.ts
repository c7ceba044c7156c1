// What a platform team offers, as strict YAML: an unknown key is an error with its file and line.
import { LineCounter, parseDocument, isMap, isSeq, type Document } from 'yaml'
import { z } from 'zod'
import { platforms } from '../db/schema.ts'

const dnsName = z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/, {
  error: 'must be a DNS name in lower case, such as clusters.example.com',
})
const cidr = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/, { error: 'must be an IPv4 range such as 10.0.0.0/16' })
const count = z.int().min(0).max(1000)
const version = z.string().regex(/^4\.\d+\.\d+$/, { error: 'must be a full version such as 4.20.3' })

/** A list of allowed values and the one taken when the request names none. */
const choice = (item: z.ZodString) =>
  z.strictObject({ allowed: z.array(item).min(1), default: item }).refine((c) => c.allowed.includes(c.default), {
    error: 'must be one of the allowed values',
    path: ['default'],
  })

export const profileSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, { error: 'must be lower-case words joined by dashes' }),
    displayName: z.string().min(1),
    description: z.string().min(1),
    platform: z.enum(platforms),
    enabled: z.boolean().default(true),
    credentialsMode: z.enum(['Mint', 'Passthrough', 'Manual']).optional(),
    versions: choice(version),
    regions: choice(z.string().regex(/^[a-z0-9-]+$/)),
    baseDomains: choice(dnsName),
    controlPlane: z.strictObject({
      replicas: z.union([z.literal(1), z.literal(3), z.literal(5)], { error: 'must be 1, 3 or 5' }),
      instanceType: z.string().min(1),
    }),
    workers: z
      .strictObject({ replicas: count, min: count, max: count, instanceType: z.string().min(1) })
      .refine((w) => w.min <= w.replicas && w.replicas <= w.max, {
        error: 'must lie between min and max',
        path: ['replicas'],
      }),
    lifecycle: z
      .strictObject({ defaultTtlHours: z.int().min(1), maxTtlHours: z.int().min(1) })
      .refine((l) => l.defaultTtlHours <= l.maxTtlHours, {
        error: 'must not be above maxTtlHours',
        path: ['defaultTtlHours'],
      }),
    networking: z
      .strictObject({
        clusterNetwork: z.array(z.strictObject({ cidr, hostPrefix: z.int().min(1).max(32) })).min(1),
        serviceNetwork: cidr,
        machineNetwork: cidr,
      })
      .default({
        clusterNetwork: [{ cidr: '10.128.0.0/14', hostPrefix: 23 }],
        serviceNetwork: '172.30.0.0/16',
        machineNetwork: '10.0.0.0/16',
      }),
    tags: z.record(z.string().min(1).max(128), z.string().min(1).max(256)).default({}),
    cost: z.strictObject({ usdPerHour: z.number().min(0), reckoned: z.string().min(1) }),
    maxAttempts: z.int().min(1).max(10).default(3),
  })
  .superRefine((profile, context) => {
    const modes = {
      aws: ['Mint', 'Passthrough', 'Manual'],
      gcp: ['Mint', 'Passthrough', 'Manual'],
      azure: ['Passthrough', 'Manual'],
      ibmcloud: ['Manual'],
    }
    if (profile.credentialsMode && !modes[profile.platform].includes(profile.credentialsMode))
      context.addIssue({
        code: 'custom',
        path: ['credentialsMode'],
        message: `must be one of ${modes[profile.platform].join(', ')} on ${profile.platform}`,
      })
  })

export type Profile = z.infer<typeof profileSchema>

export type ProfileProblem = { file: string; line: number; path: string; detail: string }

/** All problems of one file together; never throws for bad input. */
export function parseProfile(file: string, text: string): { profile?: Profile; problems: ProfileProblem[] } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  if (document.errors.length > 0)
    return {
      problems: document.errors.map((error) => ({
        file,
        line: lines.linePos(error.pos[0]).line,
        path: '',
        detail: error.message.split('\n')[0] ?? 'is not YAML',
      })),
    }
  const parsed = profileSchema.safeParse(document.toJS())
  if (parsed.success) return { profile: parsed.data, problems: [] }
  return {
    problems: parsed.error.issues.flatMap((issue) => {
      const keys = issue.code === 'unrecognized_keys' ? issue.keys : [undefined]
      return keys.map((key) => {
        const path = [...issue.path, ...(key === undefined ? [] : [key])]
        return {
          file,
          line: lineOf(document, lines, path),
          path: `/${path.join('/')}`,
          detail: key === undefined ? issue.message : `"${key}" is not a key of a profile here`,
        }
      })
    }),
  }
}

function lineOf(document: Document, lines: LineCounter, path: PropertyKey[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String(item.key) === String(step))
      if (!pair) break
      offset = rangeStart(pair.key) ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      offset = rangeStart(node) ?? offset
    } else break
  }
  return lines.linePos(offset).line
}

function rangeStart(node: unknown): number | undefined {
  return node !== null && typeof node === 'object' && 'range' in node && Array.isArray(node.range)
    ? Number(node.range[0])
    : undefined
}
