// The port through which clusters are reached from the inside.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { hasCode } from '../errors.ts'
import type { Kubernetes } from './client.ts'
import { ApiNotReached } from './refusals.ts'
import { readKubeconfig } from './kubeconfig.ts'

/**
 * `domain` is the cluster's own. Everything ends when `stop` aborts. Nothing is asked yet. Throws KubeconfigRefused,
 * ApiNotReached.
 */
export type Reach = { open: (kubeconfig: string, domain: string, stop: AbortSignal) => Promise<Kubernetes> }

const endpoint = z.looseObject({ host: z.string(), port: z.number() })

/** By the name in the kubeconfig. */
export const openReach = (): Reach => ({ open: (kubeconfig, domain, stop) => openAt(kubeconfig, domain, stop) })

/**
 * Simulated clusters have names that lead nowhere. One file says where all their APIs answer, if there is a server for
 * them; without it each is reckoned from its state. `speed`: of the simulation.
 */
export function openSimulatedReach(cloudDir: string, speed: number): Reach {
  return {
    async open(kubeconfig, domain, stop) {
      const text = await readFile(join(cloudDir, 'kubernetes.json'), 'utf8').catch((error: unknown) => {
        if (hasCode(error, 'ENOENT')) return undefined
        throw error
      })
      if (text !== undefined) return openAt(kubeconfig, domain, stop, endpoint.parse(JSON.parse(text)))
      const { openSimulatedCluster } = await import('./simulated/cluster.ts')
      const cluster = await openSimulatedCluster(cloudDir, `api.${domain}`, speed)
      if (!cluster) throw new ApiNotReached('no simulated cluster of this name has come up')
      return (await import('./simulated/api.ts')).openSimulatedApi(cluster, stop)
    },
  }
}

async function openAt(kubeconfig: string, domain: string, stop: AbortSignal, at?: { host: string; port: number }) {
  const access = readKubeconfig(kubeconfig, domain)
  // Loaded late: most processes never reach into a cluster.
  const { openKubernetes } = await import('./client.ts')
  return openKubernetes(access, { stop, at })
}
