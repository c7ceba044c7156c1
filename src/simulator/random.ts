// Math.random is enough for a simulation, and spares every start of the program the loading of node:crypto.
export function randomText(length: number, alphabet: string): string {
  return Array.from({ length }, () => alphabet[Math.floor(Math.random() * alphabet.length)]).join('')
}

export function randomHex(length: number): string {
  return randomText(length, '0123456789abcdef')
}

export function randomUuid(): string {
  return [
    randomHex(8),
    randomHex(4),
    `4${randomHex(3)}`,
    `${randomText(1, '89ab')}${randomHex(3)}`,
    randomHex(12),
  ].join('-')
}
