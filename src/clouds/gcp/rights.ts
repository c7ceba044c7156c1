// What credentials of Google Cloud allow in the projects that profiles name. Google tells anybody of himself.
import { z } from 'zod'
import type { Access } from '../access.ts'
import { inSession, NotAnswered, ofNobody } from '../asking.ts'
import { inOrder, type Checkup, type Needs, type Places, type Right } from '../rights.ts'
import { findKey } from './key.ts'
import { gcpNeeds } from './needed.ts'
import { openSession, type GcpInventoryOptions, type Session } from './session.ts'
import { openSignIn, SIGN_IN } from './sign-in.ts'

const NAMES_AT_ONCE = 100

const tested = z.looseObject({ permissions: z.array(z.string()).default([]) })

/** Throws NotAnswered for credentials that Google does not know. */
export async function checkGcp(
  { environment }: Access,
  places: Places,
  options: Omit<GcpInventoryOptions, 'environment'> = {},
): Promise<Checkup> {
  const key = await findKey(environment)
  const textOf = (name: string) => (typeof key?.[name] === 'string' ? key[name] : undefined)
  const who = textOf('client_email') ?? (key ? `a key of type ${key.type}` : 'the service account of this machine')
  const projects = new Set(places.flatMap(({ project }) => project ?? []))
  const own = textOf('project_id')
  if (projects.size === 0 && own !== undefined) projects.add(own)
  const hosts = new Set(places.flatMap(({ networkProject }) => networkProject ?? []).filter((id) => !projects.has(id)))
  const signIn = openSignIn(environment)
  const rights: Right[] = []
  const all = [...projects, ...hosts]
  for (const project of all) {
    const place = { platform: 'gcp' as const, region: '', name: '', baseDomain: '', project }
    const told = await inSession(openSession(ofNobody(place), { ...options, environment }, signIn), (session) =>
      judge(session, gcpNeeds(hosts.has(project))),
    )
    rights.push(...told.map((right) => (all.length === 1 ? right : { ...right, name: `${right.name} in ${project}` })))
  }
  if (all.length > 0) return { who, where: `project ${all.join(', ')}`, rights: inOrder(rights) }
  return { who, where: 'no project: no profile names one, and the key has none', rights }
}

async function judge(session: Session, needs: Needs): Promise<Right[]> {
  const names = [...needs.keys()]
  const rights: Right[] = []
  for (let start = 0; start < names.length; start += NAMES_AT_ONCE)
    rights.push(...(await test(session, needs, names.slice(start, start + NAMES_AT_ONCE))))
  return rights
}

/** Google refuses a list that has one name which it does not know there. So a refused list is asked in halves. */
async function test(session: Session, needs: Needs, names: string[]): Promise<Right[]> {
  const { find, at, project } = session
  const rightOf = (name: string, state: Right['state'], why?: string): Right => ({
    name,
    uses: needs.get(name) ?? [],
    state,
    ...(why === undefined ? {} : { why }),
  })
  try {
    const answer = await find({
      permission: 'nothing',
      url: at('cloudresourcemanager', `/v1/projects/${project}:testIamPermissions`),
      body: { permissions: names },
    })
    const { data } = tested.safeParse(answer)
    if (!data) throw new NotAnswered('nothing', `there is no project ${project}`)
    return names.map((name) => rightOf(name, data.permissions.includes(name) ? 'given' : 'missing'))
  } catch (error) {
    if (!(error instanceof NotAnswered) || error.permission === SIGN_IN) throw error
    // Of one who may see nothing of the project, Google does not even say this.
    if (error.isDenied) return names.map((name) => rightOf(name, 'missing', error.message))
    if (names.length === 1 || !/answers 400/.test(error.message))
      return names.map((name) => rightOf(name, 'unknown', error.message))
    const half = Math.ceil(names.length / 2)
    return [...(await test(session, needs, names.slice(0, half))), ...(await test(session, needs, names.slice(half)))]
  }
}
