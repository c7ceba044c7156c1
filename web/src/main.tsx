import './style.css'
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { lazy, StrictMode, Suspense, type ComponentType } from 'react'
import { createRoot } from 'react-dom/client'
import { Redirect, Route, Switch } from 'wouter'
import { Problem } from './api'
import Clusters from './clusters/list'
import { noteSilence } from './live'
import { Failed, Loading } from './parts/page'
import { SaidRegion } from './parts/said'
import { Shell } from './parts/shell'
import SignIn from './pages/sign-in'
import { goToSignIn, isSignedOut, useCaller } from './session'
import { Broken } from './parts/broken'

const onError = (error: unknown) => {
  if (error instanceof Problem && error.status === 0) noteSilence()
  if (isSignedOut(error)) goToSignIn()
}
const queries = new QueryClient({
  queryCache: new QueryCache({ onError }),
  mutationCache: new MutationCache({
    onError: (error, _, __, mutation) => {
      // Not while signing in: there the refusal is the answer.
      if (mutation.options.meta?.['isSigningIn'] !== true) onError(error)
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 2000,
      // What was refused stays refused.
      retry: (failures, error) =>
        failures < 3 && (!(error instanceof Problem) || error.status === 0 || error.status >= 500),
      retryDelay: (attempt) => Math.min(8000, 500 * 2 ** attempt),
    },
  },
})

/** Each has a file of its own, read when it is first wanted. */
const pages: [string, ComponentType][] = [
  ['/clusters', Clusters],
  ['/clusters/:id', lazy(() => import('./clusters/cluster'))],
  ['/request', lazy(() => import('./clusters/request'))],
  ['/jobs', lazy(() => import('./pages/jobs'))],
  ['/jobs/:id', lazy(() => import('./pages/job'))],
  ['/operations/:id', lazy(() => import('./pages/operation'))],
  ['/usage', lazy(() => import('./pages/usage'))],
  ['/profiles', lazy(() => import('./pages/profiles'))],
  ['/findings', lazy(() => import('./pages/findings'))],
  ['/audit', lazy(() => import('./pages/audit'))],
  ['/access', lazy(() => import('./pages/access'))],
  ['/tokens', lazy(() => import('./pages/tokens'))],
  ['/command-line', lazy(() => import('./pages/command-line'))],
]

function Pages() {
  const caller = useCaller()
  if (caller.error && !isSignedOut(caller.error))
    return <Failed error={caller.error} retry={() => void caller.refetch()} />
  if (!caller.data) return <Loading />
  return (
    <Suspense fallback={<Loading />}>
      <Switch>
        <Route path="/">
          <Redirect to="/clusters" replace />
        </Route>
        {pages.map(([path, Shown]) => (
          <Route key={path} path={path} component={Shown} />
        ))}
        <Route>
          <Failed error={new Problem(404, 'NOT_FOUND', 'There is no page with this address.')} />
        </Route>
      </Switch>
    </Suspense>
  )
}

const root = document.getElementById('root')
if (!root) throw new Error('the page has no root')
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <Broken>
        <Switch>
          <Route path="/sign-in">
            <SignIn />
            <SaidRegion />
          </Route>
          <Route>
            <Shell>
              <Pages />
            </Shell>
          </Route>
        </Switch>
      </Broken>
    </QueryClientProvider>
  </StrictMode>,
)
