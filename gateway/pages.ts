// The small pages a visitor may see: thanks, an apology, and one for a site that does not answer. In their language.

interface Words {
  thanks: string
  arrived: string
  sorry: string
  notArrived: string
  tooMuch: string
  unreachable: string
}

const words: Record<string, Words> = {
  en: {
    thanks: 'Thank you',
    arrived: 'Your message has arrived.',
    sorry: 'Sorry',
    notArrived: 'Your message could not be taken. Please go back and send it again.',
    tooMuch: 'Your message is too large. Please go back and shorten it.',
    unreachable: 'This page cannot be reached at the moment. Please try again in a few seconds.'
  },
  de: {
    thanks: 'Vielen Dank',
    arrived: 'Ihre Nachricht ist angekommen.',
    sorry: 'Entschuldigung',
    notArrived: 'Ihre Nachricht konnte nicht angenommen werden. Bitte gehen Sie zurück und senden Sie sie noch einmal.',
    tooMuch: 'Ihre Nachricht ist zu groß. Bitte gehen Sie zurück und kürzen Sie sie.',
    unreachable: 'Diese Seite ist gerade nicht erreichbar. Bitte versuchen Sie es in einigen Sekunden noch einmal.'
  },
  fr: {
    thanks: 'Merci',
    arrived: 'Votre message est bien arrivé.',
    sorry: 'Désolé',
    notArrived: 'Votre message n’a pas pu être reçu. Veuillez revenir en arrière et l’envoyer à nouveau.',
    tooMuch: 'Votre message est trop volumineux. Veuillez revenir en arrière et le raccourcir.',
    unreachable: 'Cette page est momentanément inaccessible. Veuillez réessayer dans quelques secondes.'
  },
  es: {
    thanks: 'Gracias',
    arrived: 'Su mensaje ha llegado.',
    sorry: 'Lo sentimos',
    notArrived: 'No se pudo recibir su mensaje. Vuelva atrás y envíelo de nuevo.',
    tooMuch: 'Su mensaje es demasiado grande. Vuelva atrás y acórtelo.',
    unreachable: 'No se puede acceder a esta página en este momento. Inténtelo de nuevo en unos segundos.'
  },
  it: {
    thanks: 'Grazie',
    arrived: 'Il suo messaggio è arrivato.',
    sorry: 'Ci dispiace',
    notArrived: 'Non è stato possibile ricevere il messaggio. Torni indietro e lo invii di nuovo.',
    tooMuch: 'Il messaggio è troppo grande. Torni indietro e lo accorci.',
    unreachable: 'Questa pagina non è raggiungibile al momento. Riprovi tra qualche secondo.'
  },
  nl: {
    thanks: 'Bedankt',
    arrived: 'Uw bericht is aangekomen.',
    sorry: 'Sorry',
    notArrived: 'Uw bericht kon niet worden ontvangen. Ga terug en verstuur het opnieuw.',
    tooMuch: 'Uw bericht is te groot. Ga terug en maak het korter.',
    unreachable: 'Deze pagina is op dit moment niet bereikbaar. Probeer het over een paar seconden opnieuw.'
  },
  pt: {
    thanks: 'Obrigado',
    arrived: 'A sua mensagem chegou.',
    sorry: 'Lamentamos',
    notArrived: 'Não foi possível receber a sua mensagem. Volte atrás e envie-a de novo.',
    tooMuch: 'A sua mensagem é demasiado grande. Volte atrás e encurte-a.',
    unreachable: 'De momento não é possível aceder a esta página. Tente de novo dentro de alguns segundos.'
  },
  pl: {
    thanks: 'Dziękujemy',
    arrived: 'Wiadomość dotarła.',
    sorry: 'Przepraszamy',
    notArrived: 'Nie udało się przyjąć wiadomości. Proszę wrócić i wysłać ją ponownie.',
    tooMuch: 'Wiadomość jest zbyt duża. Proszę wrócić i ją skrócić.',
    unreachable: 'Ta strona jest chwilowo niedostępna. Proszę spróbować ponownie za kilka sekund.'
  }
}

/** The first language of an Accept-Language header that we have, else English. */
function chooseLanguage (acceptLanguage: string | undefined): string {
  const wanted = (acceptLanguage ?? '').split(',').slice(0, 20).map(one => one.trim().slice(0, 2).toLowerCase())
  return wanted.find(language => Object.hasOwn(words, language)) ?? 'en'
}

/** Allows nothing but the page's own style: there is nothing to steal and nothing to run on it. */
export const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'"

/** A page that needs nothing else. No text of the request is in it. */
function page (language: string, title: string, text: string): string {
  return `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>${title}</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem}</style></head>
<body><h1>${title}</h1><p>${text}</p></body></html>
`
}

export function thanksPage (acceptLanguage: string | undefined): string {
  const language = chooseLanguage(acceptLanguage)
  const { thanks = '', arrived = '' } = words[language] ?? {}
  return page(language, thanks, arrived)
}

export function apologyPage (acceptLanguage: string | undefined, status: number): string {
  const language = chooseLanguage(acceptLanguage)
  const { sorry = '', notArrived = '', tooMuch = '' } = words[language] ?? {}
  return page(language, sorry, status === 413 ? tooMuch : notArrived)
}

/** In front of a site whose own server does not answer. */
export function unreachablePage (acceptLanguage: string | undefined): string {
  const language = chooseLanguage(acceptLanguage)
  const { sorry = '', unreachable = '' } = words[language] ?? {}
  return page(language, sorry, unreachable)
}
