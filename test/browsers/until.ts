// Waits for what a browser, or the product behind it, comes to.

/** Waits for a state for at most a minute and a half; throws with what was found last. */
export async function until<T> (what: string, look: () => Promise<T> | T, isSo: (found: T) => boolean): Promise<T> {
  const endMs = Date.now() + 90_000
  for (;;) {
    const found = await look()
    if (isSo(found)) return found
    if (Date.now() > endMs) throw new Error(`waited too long for ${what}; there was ${JSON.stringify(found)}`)
    await new Promise<void>(resolve => { setTimeout(resolve, 25) })
  }
}
