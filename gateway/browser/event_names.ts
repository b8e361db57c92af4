// The names of conversions under which the script and the gateway derive the same id from a transaction.

/** GA4's name of a conversion; any other name trimmed. */
export function canonicalName (given: string): string {
  const plain = (names: string) => `=${names.toLowerCase().replace(/[\s_-]/g, '')}=`
  // GA4's name and what else the gateway takes for it, as it compares names (schema/event_names.ts; a test compares).
  return ('purchase=completepayment=ordercompleted refund generate_lead=lead=submitform ' +
    'sign_up=completeregistration contact schedule subscribe start_trial submit_application')
    .split(' ').find(names => plain(names).includes(plain(given)))?.split('=')[0] ?? given.trim()
}
