// The name of an image repository, by the rules of the distribution's references. Pure.

const DEFAULT_HOST = 'docker.io'
const LONGEST_NAME = 255
const domain = /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:\d+)?$/
const path = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/
const bareHost = /^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)(:\w*)?$/

/** Whether it names a repository, without tag or digest; or a registry alone. */
export function isRepository(name: string): boolean {
  const slash = name.indexOf('/')
  if (slash < 0) return bareHost.test(name)
  const [host, rest] = [name.slice(0, slash), name.slice(slash + 1)]
  // Without one of these, the first part is no host, and the whole a name within the default one.
  const hasHost = /[.:A-Z]|^localhost$/.test(host) && host !== `index.${DEFAULT_HOST}`
  return hasHost && name.length <= LONGEST_NAME && domain.test(host) && path.test(rest) && (host !== DEFAULT_HOST || rest.includes('/')) // prettier-ignore
}
