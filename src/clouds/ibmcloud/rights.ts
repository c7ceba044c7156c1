// What an API key of IBM Cloud allows. Nothing there tells what somebody may do without its being done, so what is read
// is asked for, and of what makes and deletes nothing is known.
import type { Access } from '../access.ts'
import { askAll, inSession, ofNobody, type NotAnswered } from '../asking.ts'
import { inOrder, needsOf, unknown, type Checkup, type Places, type Right } from '../rights.ts'
import { listAuthorizations, listGroups, listServiceIds, storageQuestions } from './account.ts'
import { listZones } from './dns.ts'
import { searchIndex } from './search.ts'
import { openSession, SIGN_IN, type IbmCloudInventoryOptions, type Session } from './session.ts'
import { kinds, thingQuestions } from './vpc.ts'

const ANY_REGION = 'us-south'

/** As the installer's documentation lists them; a higher role has the lower ones in it. */
const roles = [
  'Administrator and Service ID creator of iam-identity',
  'Administrator of iam-access-management',
  'Administrator of resource-groups',
  ...['cloud-object-storage', 'internet-svcs', 'dns-svcs', 'is'].map(
    (service) => `Administrator and Manager of ${service}`,
  ),
]

/** To stop and start machines, and to take them away. */
const sleepRoles = ['Operator of is/instances', 'Editor of is/instances']

/** What is read for more than the proof. */
const readForSleep = ['Viewer of resource-groups', 'Viewer of is/instances']

/** Throws NotAnswered for a key that is of no account, or of another one than the profiles. */
export async function checkIbmCloud(
  { environment }: Access,
  places: Places,
  options: Omit<IbmCloudInventoryOptions, 'environment'> = {},
): Promise<Checkup> {
  const regions = new Set(places.map(({ region }) => region))
  const read = new Map<string, Right>()
  let where = ''
  for (const region of regions.size > 0 ? regions : [ANY_REGION]) {
    const place = { ...(places[0] ?? { platform: 'ibmcloud' as const, baseDomain: '' }), region, name: '' }
    await inSession(Promise.resolve(openSession(ofNobody(place), { ...options, environment })), async (session) => {
      for (const right of await readAll(session)) {
        const before = read.get(right.name)
        if (before === undefined || before.state === 'given') read.set(right.name, right)
      }
      where = `account ${session.account()}`
    })
  }
  const made = needsOf({ install: roles, destroy: roles, proof: [], sleep: sleepRoles })
  const why = 'IBM Cloud tells nobody what a key may make or delete'
  return { who: 'the API key', where, rights: inOrder([...read.values(), ...unknown(made, why)]) }
}

async function readAll(session: Session): Promise<Right[]> {
  const nothing = async (asked: Promise<unknown>) => asked.then(() => [])
  const told = await askAll<never>([
    () => nothing(listGroups(session)),
    ...thingQuestions(session).map((ask) => () => nothing(ask())),
    ...storageQuestions(session).map((ask) => () => nothing(ask())),
    () => nothing(listAuthorizations(session)),
    () => nothing(listServiceIds(session)),
    () => nothing(listZones(session)),
    () => nothing(searchIndex(session, 'name:ocpctl-doctor')),
  ])
  const wrong = told.refusals.find(({ permission }) => permission === SIGN_IN)
  if (wrong) throw wrong
  const refusedOf = (name: string): NotAnswered | undefined =>
    told.refusals.find(({ permission }) => permission === name)
  return [...readRoles, ...kinds.map(({ path }) => `Viewer of is/${path}`)].map((name): Right => {
    const refused = refusedOf(name)
    const uses: Right['uses'] = readForSleep.includes(name) ? ['proof', 'sleep'] : ['proof']
    if (!refused) return { name, uses, state: 'given' }
    return { name, uses, state: refused.isDenied ? 'missing' : 'unknown', why: refused.message }
  })
}

const readRoles = [
  'Viewer of resource-groups',
  'Viewer of cloud-object-storage',
  'Viewer of iam-access-management',
  'Viewer of iam-identity',
  'Viewer of internet-svcs',
  'Reader of internet-svcs',
  'Viewer of dns-svcs',
  'Reader of dns-svcs',
  'Viewer of each service',
]
