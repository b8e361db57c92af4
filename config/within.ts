// Waiting with an end.

/** Waits for `work`, but no longer than `limitMs`: then the caller goes on without it. Rejects as `work` does. */
export async function within (limitMs: number, work: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => { over.resolve(undefined) }, limitMs)
  try {
    await Promise.race([work, over.promise])
  } finally {
    clearTimeout(timer)
  }
}
