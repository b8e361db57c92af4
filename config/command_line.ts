// How the reader of a message starts a command: in a checkout through npm, installed by its name.

const isCheckout = import.meta.url.endsWith('.ts')

/** `npm run -s postern -- migrate` in a checkout, `postern migrate` where Postern is installed. */
export function howToRun (command: string): string {
  return isCheckout ? `npm run -s postern -- ${command}` : `postern ${command}`
}
