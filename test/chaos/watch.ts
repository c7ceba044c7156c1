/** Looks again and again, so long after each look, until it is stopped; a look that fails is left out. */
export function keepLooking(look: () => Promise<void>, everyMs: number): () => void {
  const over = new AbortController()
  const loop = async () => {
    while (!over.signal.aborted) {
      await look().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  }
  void loop()
  return () => over.abort()
}
