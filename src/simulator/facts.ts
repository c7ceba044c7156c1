import { UsageError, type CommandLine } from './command-line.ts'
import type { Environment } from './run.ts'

/** The commands that only tell something, on stdout. */
export function factsText({ command, args }: CommandLine, environment: Environment, buildCommit: string): string {
  const { version, executable } = environment
  switch (command) {
    case 'version':
      return [
        `${executable} ${version}`,
        `built from commit ${buildCommit}`,
        `release image quay.io/openshift-release-dev/ocp-release@sha256:${buildCommit.padEnd(64, '0')}`,
        'release architecture amd64',
        'simulated: no real cloud is touched',
        '',
      ].join('\n')
    case 'graph':
      return 'digraph G {\n  "Cluster" -> "Metadata";\n  "Metadata" -> "Install Config";\n  "Metadata" -> "Cluster ID";\n}\n'
    case 'coreos print-stream-json': {
      const architectures = { x86_64: { images: { aws: { regions: { 'us-east-1': { image: 'ami-simulated' } } } } } }
      return `${JSON.stringify({ stream: `rhcos-${version}`, metadata: { simulated: true }, architectures }, null, 2)}\n`
    }
    case 'completion':
      if (!['bash', 'zsh'].includes(args[0] ?? '')) throw new UsageError('specify the shell: bash or zsh')
      return `# ${args[0]} completion for openshift-install (simulated)\n`
    default:
      return 'KIND:     InstallConfig\nVERSION:  v1\n\nRESOURCE: <object>\n  InstallConfig is the configuration for an OpenShift install. (simulated)\n'
  }
}
