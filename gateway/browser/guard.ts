// The wall between the page and us: whatever fails here ends here, and the page goes on as if we were not there.

/** The same function, but it never throws: a failure is a line for developers in the console, and undefined. */
export function guarded<Given extends unknown[], Result> (
  act: (...given: Given) => Result
): (...given: Given) => Result | undefined {
  return (...given) => {
    try {
      return act(...given)
    } catch (error) {
      console.debug('postern', error)
      return undefined
    }
  }
}
