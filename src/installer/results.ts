// What the installer leaves in its directory for the owner of a cluster.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export type Results = { kubeconfig: string; kubeadminPassword: string; consoleUrl: string | undefined }

export const readKubeadminPassword = (dir: string): Promise<string> =>
  readFile(join(dir, 'auth/kubeadmin-password'), 'utf8')

export async function readResults(dir: string): Promise<Results> {
  const [kubeconfig, kubeadminPassword, log] = await Promise.all([
    readFile(join(dir, 'auth/kubeconfig'), 'utf8'),
    readKubeadminPassword(dir),
    readFile(join(dir, '.openshift_install.log'), 'utf8'),
  ])
  const consoleUrl = /web-console here: (https:\/\/[^\s"\\]+)/.exec(log)?.[1]
  return { kubeconfig, kubeadminPassword: kubeadminPassword.trim(), consoleUrl }
}
