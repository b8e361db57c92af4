// Hundreds of clients that mean harm or know no better: they are cut off, and everybody else is served as before.
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { closeBooks, until } from '../books.ts'
import { expect, type Scenario } from '../scenario.ts'
import { quantiles, startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

interface Bad { socket: Socket, heard: string, openedMs: number, closedMs: number | null }

/** Opens a connection, says something, and then goes on saying `drip` every second, or nothing. */
function openBad (port: number, first: string | Buffer, drip = ''): Bad {
  const socket = connect(port, '127.0.0.1', () => { socket.write(first) })
  const bad: Bad = { socket, heard: '', openedMs: performance.now(), closedMs: null }
  const timer = setInterval(() => { if (drip !== '' && !socket.destroyed) socket.write(drip) }, 1000)
  socket.on('error', () => undefined)
  socket.on('data', data => { bad.heard = (bad.heard + data.toString('latin1')).slice(0, 200_000) })
  // Who answers by closing its half is done with us.
  socket.on('end', () => { socket.destroy() })
  socket.on('close', () => {
    clearInterval(timer)
    bad.closedMs = performance.now()
  })
  return bad
}

const requestLine = 'POST /v1/e HTTP/1.1\r\nHost: t.example.com\r\nOrigin: https://www.example.com\r\n'
const body = '{"event_name":"page_view"}'
const whole = `${requestLine}Content-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`

const crowds: { what: string, count: number, open: (port: number) => Bad, mayHear: RegExp }[] = [
  {
    what: 'slow headers',
    count: 500,
    open: port => openBad(port, requestLine, 'X-A: b\r\n'),
    mayHear: /^(|HTTP\/1.1 408.*)$/s
  },
  {
    what: 'slow bodies',
    count: 100,
    open: port => openBad(port, `${requestLine}Content-Length: 5000\r\n\r\n{"event`, 'x'),
    mayHear: /^(|HTTP\/1.1 408.*)$/s
  },
  {
    what: 'two lengths',
    count: 20,
    open: port => openBad(port, `${requestLine}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET `),
    mayHear: /^HTTP\/1.1 400 [^]*$/
  },
  {
    what: 'headers of 17 kB',
    count: 20,
    open: port => openBad(port, `${requestLine}X-A: ${'y'.repeat(17_000)}\r\n\r\n`),
    mayHear: /^HTTP\/1.1 431 [^]*$/
  },
  {
    what: 'no HTTP',
    count: 20,
    open: port => openBad(port, Buffer.from([22, 3, 1, 0, 200, 1, 0])),
    mayHear: /^HTTP\/1.1 400 [^]*$/
  }
]

/** The longest time-out of the server (15 s for a whole request, looked at every 2 s), on a busy machine. */
const cutOffWithinMs = 60_000

export const badClients: Scenario = {
  name: 'bad_clients',
  suite: 'hostile',
  rows: 'F21',
  about: '500 slowloris, slow bodies, aborts, pipelining, two lengths, headers of 17 kB, beside good clients',
  rate: 50,
  run: async (say, rate) => await inOwnWorld({ networks: [], say }, async world => {
    const gateway = await world.run('gateway')
    const port = Number(new URL(gateway.url).port)
    const pid = gateway.pid()
    const traffic = startTraffic({ urls: [gateway.url], rate })
    await wait(5000)
    const opened = crowds.map(crowd => ({ ...crowd, bad: Array.from({ length: crowd.count }, () => crowd.open(port)) }))
    const aborting = Array.from({ length: 50 }, () => openBad(port, `${requestLine}Content-Length: 5000\r\n\r\n{"even`))
    const pipelining = openBad(port, whole.repeat(50))
    await wait(500)
    for (const { socket } of aborting) socket.resetAndDestroy()
    const all = opened.flatMap(({ bad }) => bad)
    await until('all bad connections are closed', () => all.every(({ closedMs }) => closedMs !== null), cutOffWithinMs)
      .catch(() => undefined)
    await until('the pipelined posts are answered', () => pipelining.heard.split('HTTP/1.1 202').length > 50)
      .catch(() => undefined)
    pipelining.socket.destroy()
    const result = await traffic.stop()
    // What the pipeline stored is no post of the traffic's.
    await world.pool.query('DELETE FROM events WHERE event_id NOT LIKE \'lead-%\' AND event_id NOT LIKE \'e-%\'')
    const { figures, problems } = await closeBooks(world, result, say)
    const seconds = ({ bad }: { bad: Bad[] }) => Math.max(...bad.map(({ openedMs, closedMs }) =>
      closedMs === null ? Infinity : Math.round(closedMs - openedMs) / 1000))
    return {
      figures: {
        ...figures,
        closedAfterSeconds: Object.fromEntries(opened.map(crowd => [crowd.what, seconds(crowd)])),
        ackMsBefore: quantiles(result.latencies.filter(({ second }) => second < 5)),
        ackMsBeside: quantiles(result.latencies.filter(({ second }) => second >= 5))
      },
      problems: [
        ...problems,
        ...opened.flatMap(crowd => [
          ...expect(Number.isFinite(seconds(crowd)), `${crowd.what}: not cut off`),
          ...expect(crowd.bad.every(({ heard }) => crowd.mayHear.test(heard)), `${crowd.what}: ${crowd.bad[0]?.heard}`)
        ]),
        ...expect(pipelining.heard.split('HTTP/1.1 202').length === 51, 'a pipelined post was not answered'),
        ...expect(result.failed === 0 && !result.answers.has('503'), 'a good client was not served'),
        ...expect(pid === gateway.pid(), 'the gateway ended')
      ]
    }
  })
}
