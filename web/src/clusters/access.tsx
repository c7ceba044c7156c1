import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api, take } from '../api'
import { Refusal } from '../parts/dialog'
import { Icon } from '../parts/icon'
import { Empty, Failed, Loading } from '../parts/page'
import { copy } from '../parts/said'
import { useRights } from './actions'
import type { TabProps } from './cluster'
import { useOutputs } from './outputs'
import { Copied, Endpoints, Facts } from './overview'

export default function Access({ cluster }: TabProps) {
  if (cluster.status !== 'READY')
    return (
      <Empty title="There is no way in just now">
        <p>Addresses and credentials are here while the cluster is ready.</p>
      </Empty>
    )
  return <Ready cluster={cluster} />
}

function Ready({ cluster }: TabProps) {
  const outputs = useOutputs(cluster.id)
  const mayNot = useRights(cluster.id, true)('credentials')
  const [password, setPassword] = useState<string>()
  const params = { path: { id: cluster.id } }
  const reveal = useMutation({
    mutationFn: () => take(api.POST('/api/v1/clusters/{id}/kubeadmin-password', { params })),
    onSuccess: (answer) => setPassword(answer.password),
    // It is on the page alone, and gone with it.
    gcTime: 0,
  })
  const copyKubeconfig = useMutation({
    mutationFn: () => take(api.GET('/api/v1/clusters/{id}/kubeconfig', { params, parseAs: 'text' })),
    onSuccess: (text) => copy(text, 'The kubeconfig'),
    gcTime: 0,
  })
  if (outputs.error) return <Failed error={outputs.error} />
  if (!outputs.data) return <Loading />
  const href = `/api/v1/clusters/${cluster.id}/kubeconfig`
  const file = `${cluster.name}.kubeconfig`
  return (
    <div className="grid">
      <section className="card">
        <h2>Addresses</h2>
        <Endpoints outputs={outputs.data} />
      </section>
      <section className="card stack">
        <h2>Kubeconfig</h2>
        <p className="muted">
          It lets its holder do anything in the cluster. Each reading is written into the audit trail.
        </p>
        {mayNot === undefined ? (
          <div className="row">
            <a className="button primary" href={href} download={file}>
              <Icon name="download" /> Download
            </a>
            <button type="button" disabled={copyKubeconfig.isPending} onClick={() => copyKubeconfig.mutate()}>
              <Icon name="copy" /> Copy
            </button>
          </div>
        ) : (
          <p>{mayNot}</p>
        )}
        {copyKubeconfig.error ? <Refusal error={copyKubeconfig.error} /> : null}
        <pre className="code" tabIndex={0}>{`export KUBECONFIG=$PWD/${file}\noc get nodes`}</pre>
      </section>
      <section className="card stack">
        <h2>Console of the cluster</h2>
        {password === undefined ? (
          <>
            <p className="muted">
              The password of {outputs.data.kubeadminUser}. Showing it is written into the audit trail.
            </p>
            <div>
              <button
                type="button"
                disabled={mayNot !== undefined || reveal.isPending}
                title={mayNot}
                onClick={() => reveal.mutate()}
              >
                Show the password
              </button>
            </div>
            {reveal.error ? <Refusal error={reveal.error} /> : null}
          </>
        ) : (
          <Facts of={{ User: outputs.data.kubeadminUser, Password: <Copied text={password} what="The password" /> }} />
        )}
      </section>
    </div>
  )
}
