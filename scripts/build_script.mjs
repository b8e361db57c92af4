// Bundles the browser script into gateway/browser/dist/s.js and says how large it is; `--check` compares instead.
import { build } from 'esbuild'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'

/** The bar for the one file that the snippet loads: 3.0 kB (of 1,024 bytes) of brotli. */
export const maxBrotliBytes = 3072

export const scriptPath = fileURLToPath(new URL('../gateway/browser/dist/s.js', import.meta.url))
const placeholder = '"__POSTERN_SITE__"'

/** The script as it is to be committed. Throws when the gateway could not serve it. */
export async function bundleScript () {
  const { outputFiles: [file] } = await build({
    entryPoints: [fileURLToPath(new URL('../gateway/browser/index.ts', import.meta.url))],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2021',
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: {},
    write: false
  })
  const places = file.text.split(placeholder).length - 1
  if (places !== 1) throw new Error(`The script holds ${placeholder} ${places} times instead of once`)
  return file.text
}

/** Its size in bytes: as it is, and as it travels. */
export function measure (script) {
  return {
    minified: Buffer.byteLength(script),
    gzip: gzipSync(script, { level: 9 }).length,
    brotli: brotliCompressSync(script).length
  }
}

async function main () {
  const script = await bundleScript()
  const size = measure(script)
  console.log(`s.js: ${size.minified} bytes, ${size.gzip} gzip, ${size.brotli} brotli (at most ${maxBrotliBytes})`)
  if (size.brotli > maxBrotliBytes) throw new Error('The script is larger than its bar')
  if (!process.argv.includes('--check')) {
    await mkdir(dirname(scriptPath), { recursive: true })
    await writeFile(scriptPath, script)
  } else if (script !== await readFile(scriptPath, 'utf8').catch(() => '')) {
    throw new Error('gateway/browser/dist/s.js is not what its source makes: run node scripts/build_script.mjs')
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch(error => {
    console.error(error.message)
    process.exitCode = 1
  })
}
