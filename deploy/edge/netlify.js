// A Netlify Edge Function, netlify/edge-functions/postern.js: Postern under /_p/, and cookies on landings.
import { serve } from './postern.js'

// Variables of the site: POSTERN_ORIGIN (https://t.example.com) and POSTERN_PROXY_SECRET.
export default async function answer (request, context) {
  const { env } = globalThis.Netlify
  const options = {
    origin: env.get('POSTERN_ORIGIN'), secret: env.get('POSTERN_PROXY_SECRET'), country: context.geo?.country?.code
  }
  return await serve(request, context.ip, options, async () => await context.next())
}

export const config = { path: '/*', onError: 'bypass' }
