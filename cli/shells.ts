// What makes the scripts of shells, and knows what they ask.
export { default as tab, type RootCommand } from '@bomb.sh/tab'
export { default as fromCommander } from '@bomb.sh/tab/commander'
