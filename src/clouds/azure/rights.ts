// What credentials of Azure allow in their subscription as a whole. Azure tells it of whoever asks.
import type { Access } from '../access.ts'
import { inSession, ofNobody } from '../asking.ts'
import { judgeByAsking, type Checkup, type Places } from '../rights.ts'
import { readCredentials } from './credentials.ts'
import { azureNeeds } from './needed.ts'
import { permissionQuestions } from './permissions.ts'
import { openSession, type AzureInventoryOptions } from './session.ts'
import { openSignIn } from './sign-in.ts'

/** Throws NotAnswered for credentials that Azure does not know. */
export async function checkAzure(
  { environment }: Access,
  places: Places,
  options: Omit<AzureInventoryOptions, 'environment'> = {},
): Promise<Checkup> {
  const [place = { platform: 'azure' as const, region: '', baseDomain: '' }] = places
  const signIn = options.instead?.signIn ?? openSignIn(environment)
  const { clientId } = await readCredentials(environment)
  return inSession(
    openSession(ofNobody({ ...place, name: '' }), { ...options, environment }, signIn),
    async (session) => {
      const needs = azureNeeds(places)
      const names = [...needs.keys()]
      const questions = new Map(permissionQuestions(session, names).map((ask, index) => [names[index], ask]))
      return {
        who: clientId ? `the application ${clientId}` : 'the managed identity of this machine',
        where: `subscription ${session.subscriptionId}`,
        rights: await judgeByAsking(needs, async (name) => questions.get(name)?.()),
      }
    },
  )
}
