'use client'
// In the root layout: <Postern src="https://t.example.com/s.js" nonce={nonce} />. The router's moves are page views.
import { useEffect, useId, type FormEvent } from 'react'
import { consent, load, track } from 'postern-browser'

export function Postern ({ src, nonce }: { src: string, nonce?: string }) {
  useEffect(() => load({ src, nonce }), [src, nonce])
  return null
}

/** For the banner: one answer for all four keys. */
export function choose (state: 'granted' | 'denied') {
  consent({ ad_storage: state, ad_user_data: state, ad_personalization: state, analytics_storage: state })
}

/** A form that posts to the site's own route: the route gets the event's id and can send it on with the lead. */
export function Callback () {
  const phone = useId()
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const tracked = track('contact', { form_id: 'callback' })
    const answers = Object.fromEntries(new FormData(event.currentTarget))
    fetch('/api/callback', { method: 'POST', body: JSON.stringify({ ...answers, ...tracked }) }).catch(console.error)
  }
  return (
    <form onSubmit={send}>
      <label htmlFor={phone}>Phone</label>
      <input id={phone} name='phone' type='tel' required />
      <button>Call me</button>
    </form>
  )
}
