// How to get the command line from this very server, and how to sign in with it.
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Copied } from '../clusters/overview'
import { Icon } from '../parts/icon'
import { Page, Shown } from '../parts/page'

type Known = {
  version: string
  commandLine: { path: string; sha256: string; sizeBytes: number } | null
  oidc: object | null
}

const fetchKnown = async (): Promise<Known> => {
  const response = await fetch('/.well-known/ocpctl.json', { cache: 'no-store' })
  if (!response.ok) throw new Error(`The service answered ${response.status}.`)
  return (await response.json()) as Known // as this service writes it
}

export default function CommandLine() {
  const known = useQuery({ queryKey: ['command line'], queryFn: fetchKnown })
  return (
    <Page title="Command line" lead="One file, handed out by this server and made for it. It needs Node 22 or newer.">
      <Shown query={known}>{(data) => <Steps {...data} />}</Shown>
    </Page>
  )
}

function Steps({ version, commandLine, oidc }: Known) {
  if (!commandLine) return <p>This server was installed without its command line.</p>
  const { origin } = location
  const { path, sha256, sizeBytes } = commandLine
  return (
    <div className="stack">
      <Step title="Get it">
        <p className="row">
          <a className="button primary" href={path} download>
            <Icon name="download" /> ocpctl.mjs
          </a>
          <span className="muted">
            version {version}, {Math.round(sizeBytes / 1000)} kB
          </span>
        </p>
        <Line text={`curl -fsSO ${origin}${path}`} />
      </Step>
      <Step title="See that it is this one">
        <Line text={`echo '${sha256}  ocpctl.mjs' | sha256sum --check`} />
      </Step>
      <Step title="Give it its name">
        <Line text={'chmod +x ocpctl.mjs && sudo mv ocpctl.mjs /usr/local/bin/ocpctl'} />
      </Step>
      <Step title="Sign in">
        {oidc ? <Line text={`ocpctl login ${origin}`} /> : null}
        <Line text={`ocpctl login ${origin} --token-stdin < token.txt`} />
      </Step>
      <Step title="Use it">
        <Line text="ocpctl ls" />
        <Line text="ocpctl create demo --profile aws-standard --wait" />
        <Line text="ocpctl --help" />
      </Step>
    </div>
  )
}

const Step = ({ title, children }: { title: string; children: ReactNode }) => (
  <section className="card stack">
    <h2>{title}</h2>
    {children}
  </section>
)

const Line = ({ text }: { text: string }) => (
  <p>
    <Copied text={text} what="The command" />
  </p>
)
