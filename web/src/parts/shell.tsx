// The frame of every page: where one can go, whether the page is live, and who is signed in.
import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react'
import { Link, useLocation } from 'wouter'
import { pauseLive, startLive, useLive, type LiveState } from '../live'
import { hasRole, nameOf, shortName, signOut, useCaller, useSignIn, type Role } from '../session'
import { Icon, type IconName } from './icon'
import { GO, isTyping, MOD } from './keys'
import { Menu } from './menu'
import { SaidRegion } from './said'
import { nextTheme, setTheme, useTheme } from './theme'

const Palette = lazy(() => import('./palette'))
const Shortcuts = lazy(() => import('./shortcuts'))

const PLACES: { to: string; label: string; icon: IconName; roles?: Role[] }[] = [
  { to: '/clusters', label: 'Clusters', icon: 'clusters' },
  { to: '/jobs', label: 'Jobs', icon: 'jobs' },
  { to: '/usage', label: 'Usage', icon: 'usage' },
  { to: '/profiles', label: 'Profiles', icon: 'profiles' },
  { to: '/findings', label: 'Findings', icon: 'findings', roles: ['platform_admin', 'auditor'] },
  { to: '/audit', label: 'Audit', icon: 'audit', roles: ['platform_admin', 'auditor'] },
  { to: '/access', label: 'Access', icon: 'access', roles: ['platform_admin', 'team_admin'] },
  { to: '/tokens', label: 'My tokens', icon: 'tokens' },
]

export const usePlaces = () => {
  const caller = useCaller().data
  return PLACES.filter(({ roles }) => roles === undefined || hasRole(caller, ...roles))
}

export function Shell({ children }: { children: ReactNode }) {
  const queries = useQueryClient()
  const [path, go] = useLocation()
  const caller = useCaller().data
  const isSimulated = useSignIn().data?.simulated
  const [open, setOpen] = useState<'palette' | 'shortcuts'>()
  const theme = useTheme()
  const places = usePlaces()
  const isSignedIn = caller !== undefined
  useEffect(() => {
    if (isSignedIn) startLive(queries)
  }, [isSignedIn, queries])
  useKeys(go, setOpen)
  useGone(path)

  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <button type="button" className="quiet square only-narrow" popoverTarget="nav" aria-label="Menu">
          <Icon name="menu" />
        </button>
        <Link href="/clusters" className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M16 4.5 26.5 10v12L16 27.5 5.5 22V10Z" />
            <circle cx="16" cy="16" r="4" />
          </svg>
          ocpctl
        </Link>
        {isSimulated ? <span className="badge only-wide">simulated</span> : null}
        <button type="button" className="find" onClick={() => setOpen('palette')}>
          <Icon name="search" />
          <span>Find anything</span>
          <kbd>{MOD} K</kbd>
        </button>
        <Live />
        <Menu
          label={caller ? `You are ${shortName(nameOf(caller))}` : 'You'}
          {...(caller ? { title: `Signed in as ${nameOf(caller)}` } : {})}
          items={[
            { label: `Colors: ${theme}`, onSelect: () => setTheme(nextTheme(theme)) },
            { label: 'Keyboard shortcuts', onSelect: () => setOpen('shortcuts') },
            { label: 'Command line', onSelect: () => go('/command-line') },
            { label: 'API documentation', href: '/docs' },
            { label: 'Sign out', onSelect: () => void signOut(queries) },
          ]}
          className="quiet who"
        >
          <Icon name="access" />
          <span className="only-wide">{caller ? shortName(nameOf(caller)) : ''}</span>
        </Menu>
      </header>
      <div className="frame">
        <nav id="nav" popover="auto" aria-label="Pages" className="nav">
          {places.map(({ to, label, icon }) => (
            <Link key={to} href={to} aria-current={path === to || path.startsWith(`${to}/`) ? 'page' : undefined}>
              <Icon name={icon} />
              {label}
            </Link>
          ))}
        </nav>
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
      <SaidRegion />
      <Suspense>
        {open === 'palette' ? <Palette onClose={() => setOpen(undefined)} /> : null}
        {open === 'shortcuts' ? <Shortcuts onClose={() => setOpen(undefined)} /> : null}
      </Suspense>
    </>
  )
}

const LIVE: Record<LiveState, { label: string; title: string }> = {
  connecting: { label: 'Connecting', title: 'Connecting to the events' },
  live: { label: 'Live', title: 'Changes show at once. Press to pause.' },
  polling: { label: 'Live', title: 'The page asks for changes every few seconds. Press to pause.' },
  reconnecting: { label: 'Reconnecting', title: 'The service does not answer just now. What you see may be old.' },
  paused: { label: 'Paused', title: 'Nothing changes until you press.' },
}

function Live() {
  const state = useLive()
  const { label, title } = LIVE[state]
  return (
    <button
      type="button"
      className="quiet live"
      data-state={state}
      title={title}
      aria-pressed={state === 'paused'}
      onClick={() => pauseLive(state !== 'paused')}
    >
      <i aria-hidden="true" />
      <span>{label}</span>
    </button>
  )
}

/** Each address begins at its top, with the menu closed. */
function useGone(path: string): void {
  const last = useRef(path)
  useEffect(() => {
    if (last.current === path) return
    last.current = path
    document.getElementById('nav')?.hidePopover()
    scrollTo(0, 0)
  }, [path])
}

function useKeys(go: (to: string) => void, open: (what: 'palette' | 'shortcuts') => void): void {
  useEffect(() => {
    let wentAt = 0
    const press = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        open('palette')
        return
      }
      if (isTyping(event)) return
      const isAfterG = event.timeStamp - wentAt < 1500
      wentAt = event.key === 'g' ? event.timeStamp : 0
      if (isAfterG && GO[event.key]) {
        // The key means this, and nothing of the page.
        event.stopImmediatePropagation()
        go(GO[event.key]?.to ?? '/')
      } else if (event.key === '?') open('shortcuts')
      else if (event.key === '/') {
        const search = document.querySelector<HTMLInputElement>('[data-search]')
        if (!search) return
        event.preventDefault()
        search.focus()
        search.select()
      }
    }
    addEventListener('keydown', press, { capture: true })
    return () => removeEventListener('keydown', press, { capture: true })
  }, [go, open])
}
