// Roles and users, by their owner tags and by the names that the installer gives them, and instance profiles by these
// names.
import type { Resource } from '../inventory.ts'
import type { Arn, Search, Session, Tagged } from './session.ts'

const PAGE = 500

type Identity = Tagged & { type: string; arn: string | undefined; name: string | undefined }

export function iamSearches({ sdk: { iam }, clients, ask, stop, query, isOwned, heard }: Session): Search[] {
  const at = { client: clients.iam, pageSize: PAGE }
  const pick = (identities: Identity[], candidates: Arn[]): Resource[] =>
    identities
      .filter(
        ({ arn, name, Tags }) =>
          candidates.some(({ text }) => text === arn) ||
          isOwned({ Tags }) ||
          query.infraIds.some((infraId) => name?.startsWith(`${infraId}-`)),
      )
      .map(({ type, arn, name = 'unknown' }) => ({ id: arn ?? name, type, name, region: 'global' }))

  return [
    {
      knows: (arn) => arn.service === 'iam' && ['role', 'user'].includes(arn.type),
      async run(candidates) {
        // The lists of roles and of users leave out the tags, and to ask each one for them takes a call for each.
        const pages = iam.paginateGetAccountAuthorizationDetails(at, { Filter: ['Role', 'User'] }, stop)
        const identities = await ask(
          'iam:GetAccountAuthorizationDetails',
          pages,
          ({ RoleDetailList, UserDetailList }) => {
            if (!RoleDetailList && !UserDetailList) return undefined
            const roles = (RoleDetailList ?? []).map(({ RoleName, Arn, Tags }): Identity => ({ type: 'iam-role', arn: Arn, name: RoleName, Tags })) // prettier-ignore
            const users = (UserDetailList ?? []).map(({ UserName, Arn, Tags }): Identity => ({ type: 'iam-user', arn: Arn, name: UserName, Tags })) // prettier-ignore
            return [...roles, ...users]
          },
        )
        // No account is without a role.
        const account = identities[0]?.arn?.split(':')[4]
        if (account) heard.account = account
        return pick(identities, candidates)
      },
    },
    {
      knows: (arn) => arn.service === 'iam' && arn.type === 'instance-profile',
      async run(candidates) {
        const pages = iam.paginateListInstanceProfiles(at, {}, stop)
        const profiles = await ask('iam:ListInstanceProfiles', pages, ({ InstanceProfiles }) =>
          InstanceProfiles?.map(
            ({ InstanceProfileName, Arn, Tags }): Identity => ({ type: 'instance-profile', arn: Arn, name: InstanceProfileName, Tags }), // prettier-ignore
          ),
        )
        return pick(profiles, candidates)
      },
    },
  ]
}
