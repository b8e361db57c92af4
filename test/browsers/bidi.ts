// A small client of WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/): commands over one WebSocket.

type Json = Record<string, unknown>

/** Sends a command and answers its result; throws what the browser says is wrong with it. */
export type Command = (method: string, params?: Json) => Promise<Json>

interface Answer { id: number, type: string, result?: Json, error?: string, message?: string }

/** Connects until the browser ends; `url` is the address that it prints, with `/session`. */
export async function openBidi (url: string): Promise<{ command: Command }> {
  const socket = new WebSocket(url)
  const waiting = new Map<number, { resolve: (result: Json) => void, reject: (error: Error) => void }>()
  let lastId = 0
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => { resolve() }
    socket.onerror = () => { reject(new Error(`no WebDriver BiDi at ${url}`)) }
  })
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer
    const asker = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (answer.type === 'success') asker?.resolve(answer.result ?? {})
    else asker?.reject(new Error(`${answer.error}: ${answer.message}`))
  }
  socket.onclose = () => {
    for (const { reject } of waiting.values()) reject(new Error('the browser is gone'))
    waiting.clear()
  }
  return {
    command: async (method, params = {}) => await new Promise((resolve, reject) => {
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      socket.send(JSON.stringify({ id, method, params }))
    })
  }
}
