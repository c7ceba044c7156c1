// What works without a server, and shares its code with it.
export { runDiagnose } from '../src/commands/diagnose.ts'
export { runLint } from '../src/commands/lint.ts'
