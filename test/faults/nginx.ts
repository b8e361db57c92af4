// A real nginx in front of two gateways, as for a rolling restart: who does not answer is passed over.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from './processes.ts'

const command = ['/usr/sbin/nginx', '/usr/bin/nginx'].find(existsSync) ?? 'nginx'

/** Why there is none; null when there is. */
export function findNginxObstacle (): string | null {
  return spawnSync(command, ['-v']).status === 0 ? null : 'needs nginx: apt-get install nginx-light'
}

/**
 * What an operator writes for two gateways: a post may go to the other one as well, because both know it by its
 * event_id; 503 is what a gateway says that is stopping.
 */
function configuration (folder: string, port: number, ports: readonly string[]): string {
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')}
  upstream postern {
    ${ports.map(one => `server 127.0.0.1:${one} max_fails=0;`).join(' ')}
    keepalive 64;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://postern;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout http_503 non_idempotent;
    }
  }
}
`
}

/** Starts it; `urls` are the gateways'. */
export async function startNginx (parent: string, urls: readonly string[]): Promise<{
  url: string, stop: () => Promise<void>
}> {
  const folder = join(parent, 'nginx')
  mkdirSync(folder)
  const port = await freePort()
  writeFileSync(join(folder, 'nginx.conf'), configuration(folder, port, urls.map(url => new URL(url).port)))
  const child = spawn(command, ['-p', folder, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')],
    { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  while (!await fetch(url).then(() => true, () => false)) {
    if (child.exitCode !== null) throw new Error('nginx does not start')
    await wait(50)
  }
  return {
    url,
    async stop () {
      child.kill('SIGTERM')
      await ended
    }
  }
}
