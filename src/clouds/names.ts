// The names of a cluster in DNS, in lower case and without the dot at the end.

/** The names under which the installer makes records. */
export const installersNames = (domain: string) => ({
  api: `api.${domain}`,
  apiInt: `api-int.${domain}`,
  apps: `*.apps.${domain}`,
})

/**
 * Tells which names under a cluster's domain are its own; `names` are all that stand there. Deeper down there may be
 * another cluster, whose base domain is at or below this domain.
 */
export function ownNames(domain: string, names: string[]): (name: string) => boolean {
  const standing = new Set(names)
  const others = names
    .filter((name) => name.startsWith('api.') && name.endsWith(`.${domain}`))
    .map((name) => name.slice('api.'.length))
    // Under a wildcard it is the name of an application.
    .filter((other) => ![domain, `apps.${domain}`].includes(other) && !standing.has(`*.${other}`))
  const theirs = new Set(others.flatMap((other) => Object.values(installersNames(other))))
  return (name) => name.endsWith(`.${domain}`) && !theirs.has(name)
}
