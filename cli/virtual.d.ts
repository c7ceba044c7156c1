// Modules that cli/build.ts makes while it bundles.

/** What the command line knows of docs/openapi.json. */
declare module 'ocpctl:operations' {
  const operations: import('./operation.ts').Operation[]
  export default operations
}

/** A bundle of its own, as base64 of brotli: it is in the file, and costs nothing until it is needed. */
declare module 'packed:*' {
  const packed: string
  export default packed
}

declare const OCPCTL_VERSION: string
