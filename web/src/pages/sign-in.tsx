import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useLocation, useSearchParams } from 'wouter'
import { api, take } from '../api'
import { Refusal } from '../parts/dialog'
import { useTitle } from '../parts/page'
import { useSignIn } from '../session'

/** Only a path of our own. */
const ownPath = (to: string | null) =>
  to?.startsWith('/') && !to.startsWith('//') && !to.startsWith('/\\') ? to : '/clusters'

/** Of the way to the issuer and back. */
const PROBLEMS: Record<string, string> = {
  unauthenticated:
    'The issuer did not sign you in, or the sign-in took too long. Begin again; the log of the service says more.',
  unavailable: 'The issuer cannot be reached just now. Try again in a moment.',
  conflict: 'Where the issuer sends you back to is not set up here: an operator must set OCPCTL_PUBLIC_URL.',
  not_found: 'Sign-in with an issuer is not set up here.',
}

export default function SignIn() {
  useTitle('Sign in')
  const [params] = useSearchParams()
  const [, go] = useLocation()
  const queries = useQueryClient()
  const { data } = useSignIn()
  const [token, setToken] = useState('')
  const to = ownPath(params.get('to'))
  const signIn = useMutation({
    mutationFn: () => take(api.POST('/api/v1/session', { body: { token } })),
    meta: { isSigningIn: true },
    onSuccess: async () => {
      setToken('')
      await queries.resetQueries({ queryKey: ['whoami'] })
      go(to, { replace: true })
    },
  })
  const problem = PROBLEMS[params.get('problem') ?? '']
  return (
    <main className="sign-in">
      <div className="card">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M16 4.5 26.5 10v12L16 27.5 5.5 22V10Z" />
          <circle cx="16" cy="16" r="4" />
        </svg>
        <h1>Sign in to ocpctl</h1>
        <p className="lead">Short-lived OpenShift clusters, and nothing left behind.</p>
        {problem ? <Refusal error={problem} /> : null}
        {data?.ways.includes('oidc') ? (
          <>
            <a className="button primary big" href={`/sign-in/oidc?to=${encodeURIComponent(to)}`}>
              Sign in with your organization
            </a>
            <p className="or">or</p>
          </>
        ) : null}
        <form
          onSubmit={(event) => {
            event.preventDefault()
            signIn.mutate()
          }}
        >
          <div className="field">
            <label htmlFor="token">Token</label>
            <input
              id="token"
              type="password"
              required
              autoComplete="off"
              spellCheck={false}
              autoFocus
              value={token}
              onChange={(event) => setToken(event.target.value)}
              aria-describedby="token-hint"
            />
            <p className="hint" id="token-hint">
              An API token{data?.ways.includes('aws') ? ', or what "ocpctl token aws" prints' : ''}. The page does not
              keep it: the browser gets a cookie that no script can read, for 12 hours at most.
            </p>
          </div>
          {signIn.error ? <Refusal error={signIn.error} /> : null}
          <button
            type="submit"
            className={data?.ways.includes('oidc') ? 'big' : 'primary big'}
            disabled={signIn.isPending || token.trim() === ''}
          >
            {signIn.isPending ? 'Signing in…' : 'Sign in'}
          </button>
        </form>
      </div>
    </main>
  )
}
