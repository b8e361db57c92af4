// The wall between the page and us: whatever fails here ends here, and the page goes on as if we were not there.

/** The same function, but it never throws: a failure is a line for developers in the console, and undefined. */
export function guarded<Given extends unknown[], Result> (
  act: (...given: Given) => Result
): (...given: Given) => Result | undefined {
  return (...given) => {
    try {
      return act(...given)
    } catch (error) {
      return console.debug(error) as undefined
    }
  }
}

/** Listens to the window in the capture phase, behind the wall. */
export const listen = <Heard extends Event>(kind: string, hear: (event: Heard) => unknown): void =>
  addEventListener(kind, guarded(hear) as (event: Event) => void, true)
