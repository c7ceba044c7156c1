// Roles, instance profiles and users, by the names that the installer gives them.
import type { Resource } from '../inventory.ts'
import { unlessMissing } from './answers.ts'
import type { Search, Session } from './session.ts'

/** The cloud credential operator cuts the infraID to this many characters in the names of its users. */
const USER_NAME_INFRA_ID = 20

export function iamSearches({ sdk: { iam }, clients, ask, stop, query, isOwned }: Session): Search[] {
  const at = { client: clients.iam }
  const isNamed = (name: string) => query.infraIds.some((infraId) => name.startsWith(`${infraId}-`))
  const isCutName = (name: string) =>
    query.infraIds.some((infraId) => name.startsWith(`${infraId.slice(0, USER_NAME_INFRA_ID)}-`))

  async function isUserTagged(UserName: string): Promise<boolean> {
    const pages = iam.paginateListUserTags(at, { UserName }, stop)
    const tags = await ask('iam:ListUserTags', pages, (page) => page.Tags).catch(unlessMissing)
    return isOwned({ Tags: tags })
  }

  /** For example, roles are listed by ListRoles. */
  const searchFor = <List extends string, Name extends string>(
    [type, arnType]: [type: string, arnType: string],
    list: List,
    nameKey: Name,
    pages: () => AsyncIterable<{ [list in List]?: ({ Arn?: string | undefined } & { [name in Name]?: string })[] }>,
    isOurs: (name: string) => boolean | Promise<boolean>,
  ): Search => ({
    knows: (arn) => arn.service === 'iam' && arn.type === arnType,
    async run(candidates) {
      const found: Resource[] = []
      for (const item of await ask(`iam:List${list}`, pages(), (page) => page[list])) {
        const name = item[nameKey] ?? 'unknown'
        if (candidates.some(({ text }) => text === item.Arn) || (await isOurs(name)))
          found.push({ id: item.Arn ?? name, type, name, region: 'global' })
      }
      return found
    },
  })
  return [
    searchFor(['iam-role', 'role'], 'Roles', 'RoleName', () => iam.paginateListRoles(at, {}, stop), isNamed),
    searchFor(
      ['instance-profile', 'instance-profile'],
      'InstanceProfiles',
      'InstanceProfileName',
      () => iam.paginateListInstanceProfiles(at, {}, stop),
      isNamed,
    ),
    searchFor(
      ['iam-user', 'user'],
      'Users',
      'UserName',
      () => iam.paginateListUsers(at, {}, stop),
      async (name) => isNamed(name) || (isCutName(name) && (await isUserTagged(name))),
    ),
  ]
}
