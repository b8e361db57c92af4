// What comes in one turn of the event loop goes through each stage in one go: the code and data of a stage are then
// still in the processor's caches for all but the first. Nobody waits longer for it: the turn ends before the loop
// waits for anything.
let turn: Promise<void> | undefined

/** Resolves when all that this turn of the event loop brought has been read; for all who wait for it at once. */
export async function endOfTurn (): Promise<void> {
  turn ??= new Promise(resolve => {
    setImmediate(() => {
      turn = undefined
      resolve()
    })
  })
  await turn
}
