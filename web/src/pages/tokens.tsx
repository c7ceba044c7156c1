import { Link } from 'wouter'
import { Page } from '../parts/page'
import { nameOf, useCaller } from '../session'
import { TokenList } from '../access/tokens'

export default function MyTokens() {
  const caller = useCaller().data
  if (!caller) return null
  return (
    <Page
      title="My tokens"
      lead="For programs that act as you. Sessions of this console are among them: revoking one ends it at once."
      actions={
        <Link href="/command-line" className="button">
          Get the command line
        </Link>
      }
    >
      <TokenList createdBy={nameOf(caller)} mayMake />
    </Page>
  )
}
