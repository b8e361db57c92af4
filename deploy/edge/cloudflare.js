// A Cloudflare Worker on the route www.example.com/*: the site as it is, Postern under /_p/, and cookies on landings.
import { serve } from './postern.js'

// Variables of the Worker: POSTERN_ORIGIN (https://t.example.com), and the secret POSTERN_PROXY_SECRET.
export default {
  async fetch (request, env, context) {
    // Should this Worker itself fail, Cloudflare goes to the site without it.
    context.passThroughOnException()
    const options = { origin: env.POSTERN_ORIGIN, secret: env.POSTERN_PROXY_SECRET, country: request.cf?.country }
    return await serve(request, request.headers.get('cf-connecting-ip'), options, async () => await fetch(request))
  }
}
