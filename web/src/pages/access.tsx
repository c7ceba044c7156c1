import { Bindings } from '../access/bindings'
import { TokenList } from '../access/tokens'
import { Webhooks } from '../access/webhooks'
import { useFilters } from '../parts/address'
import { Page } from '../parts/page'
import { Tabs } from '../parts/select'
import { hasRole, useCaller } from '../session'

export default function Access() {
  const [params] = useFilters()
  const caller = useCaller().data
  const isOperator = hasRole(caller, 'platform_admin')
  const tabs = { roles: 'Roles', ...(isOperator ? { tokens: 'Tokens' } : {}), webhooks: 'Webhooks' }
  const tab = params.get('tab') ?? 'roles'
  return (
    <Page
      title="Access"
      lead={
        isOperator
          ? 'Who may do what, and which programs are told.'
          : 'Who may do what in your teams, and which programs are told.'
      }
      actions={<Tabs label="Parts" tabs={tabs} fallback="roles" />}
    >
      {tab === 'webhooks' ? <Webhooks /> : tab === 'tokens' && isOperator ? <TokenList /> : <Bindings />}
    </Page>
  )
}
