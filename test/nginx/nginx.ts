// A real nginx with the files of deploy/nginx/, on free ports and in a folder of its own; and requests to it.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { makeCertificate } from '../script_site.ts'

const command = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find(existsSync) ?? 'nginx'

/** Why there is no nginx to test with; false when there is. */
export const noNginx = spawnSync(command, ['-v']).status === 0
  ? false
  : 'needs nginx with auth_request: apt-get install nginx-light'

const shipped = new URL('../../deploy/nginx/', import.meta.url)

/** The files of deploy/nginx/, by name. */
export const configurations: ReadonlyMap<string, string> = new Map(readdirSync(shipped)
  .filter(name => name.endsWith('.conf')).map(name => [name, readFileSync(new URL(name, shipped), 'utf8')]))

export function configuration (name: string): string {
  const text = configurations.get(name)
  if (text === undefined) throw new Error(`there is no deploy/nginx/${name}`)
  return text
}

/** A file for two gateways, as its first lines say how. */
export const forTwo = (text: string) => text.replace(/^.*\n( *)#2 /gm, '$1')

/** A file with the paths of Google's tag gateway, as it says how. */
export const withTagGateway = (text: string) => text.replace(/^( *)#gt /gm, '$1')

/** A port that nobody listens on. */
export async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })
  return port
}

/** Where a test has what an installation has elsewhere. */
interface Places { httpPort: number, tlsPort: number, posternPort: number, secondPort: number, sitePort: number }

/** A shipped file with the places of this test: ports, certificate, folders; IPv6 may be missing where tests run. */
function placed (text: string, folder: string, places: Places): string {
  const { httpPort, tlsPort, posternPort, secondPort, sitePort } = places
  return text
    .replace(/^ *listen \[::\]:.*\n/gm, '')
    .replace(/listen 443 /g, `listen 127.0.0.1:${tlsPort} `)
    .replace(/listen 80;/g, `listen 127.0.0.1:${httpPort};`)
    .replace(/server 127\.0\.0\.1:8377\b/g, `server 127.0.0.1:${posternPort}`)
    .replace(/server 127\.0\.0\.1:8379\b/g, `server 127.0.0.1:${secondPort}`)
    .replace(/server 127\.0\.0\.1:3000;/g, `server 127.0.0.1:${sitePort};`)
    .replace(/\/etc\/letsencrypt\/live\/[\w.]+\//g, `${folder}/`)
    .replace(/\/var\/(log\/nginx|cache)\//g, `${folder}/`)
}

/** nginx.conf around what belongs into http {}. */
function wholeConfiguration (http: string, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `${process.getuid?.() === 0 ? 'user root;\n' : ''}daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 1024; }
http {
  access_log ${folder}/access.log;
  ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  default_type text/html;
${http}
}
`
}

function write (folder: string, http: string, places: Places): void {
  const { key, cert } = makeCertificate()
  writeFileSync(join(folder, 'privkey.pem'), key)
  writeFileSync(join(folder, 'fullchain.pem'), cert)
  writeFileSync(join(folder, 'nginx.conf'), wholeConfiguration(placed(http, folder, places), folder))
}

/** What `nginx -t` says of a configuration; empty if it takes it without a warning. */
export function complaints (t: Test, http: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-nginx-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  write(folder, http, { httpPort: 18080, tlsPort: 18443, posternPort: 8377, secondPort: 8379, sitePort: 3000 })
  const { status, stderr } = spawnSync(command, ['-t', '-p', folder, '-e', join(folder, 'error.log'), '-c',
    join(folder, 'nginx.conf')], { encoding: 'utf8' })
  return status === 0 ? stderr.split('\n').filter(line => /\[(warn|alert|emerg)\]/.test(line)).join('\n') : stderr
}

async function isListening (port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true) })
    socket.on('error', () => { resolve(false) })
  })
}

export interface Nginx {
  httpPort: number
  tlsPort: number
  /** Everything that it wrote into its logs, each line with the file's name. */
  logs: () => string
}

/**
 * Starts nginx and waits until it listens; ends it with the test. `http`: what belongs into http {}, with the places of
 * the shipped files.
 */
export async function startNginx (t: Test, http: string, postern: {
  posternPort: number, secondPort?: number, sitePort?: number
}): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-nginx-'))
  // Between finding a free port and taking it another process may come first.
  for (let attempt = 1; ; attempt++) {
    const places = {
      sitePort: 9, secondPort: 9, ...postern, httpPort: await freePort(), tlsPort: await freePort()
    }
    mkdirSync(folder, { recursive: true })
    write(folder, http, places)
    const child = spawn(command, ['-p', folder, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')],
      { stdio: 'ignore' })
    const ended = new Promise<void>(resolve => { child.on('exit', () => { resolve() }) })
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null
    while (!hasEnded() && !await isListening(places.tlsPort)) {
      await new Promise<void>(resolve => { setTimeout(resolve, 20) })
    }
    const logs = () => readdirSync(folder).filter(name => name.endsWith('.log'))
      .flatMap(name => readFileSync(join(folder, name), 'utf8').split('\n').filter(line => line !== '')
        .map(line => `${name}: ${line}`)).join('\n')
    if (hasEnded()) {
      if (attempt < 3) continue
      throw new Error(`nginx does not start: ${logs()}`)
    }
    t.teardown(async () => {
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true })
    })
    return { httpPort: places.httpPort, tlsPort: places.tlsPort, logs }
  }
}

export interface Page { status: number, headers: IncomingHttpHeaders, setCookies: string[], body: string, ms: number }

interface Visit {
  host?: string
  method?: string
  headers?: Record<string, string>
  body?: string
  /** The visitor's own address: any of 127.0.0.0/8 is this machine. */
  from?: string
}

/** One request over TLS, as a browser opens a page unless told otherwise. */
export async function visit (tlsPort: number, path: string, given: Visit = {}): Promise<Page> {
  const { host = 'www.example.com', method = 'GET', from = '127.0.0.1', body } = given
  const begunMs = performance.now()
  return await new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: '127.0.0.1',
      port: tlsPort,
      servername: host,
      rejectUnauthorized: false,
      agent: false,
      localAddress: from,
      path,
      method,
      headers: { host, accept: 'text/html,*/*;q=0.8', ...given.headers }
    }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          setCookies: response.headers['set-cookie'] ?? [],
          body: Buffer.concat(chunks).toString(),
          ms: performance.now() - begunMs
        })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}
