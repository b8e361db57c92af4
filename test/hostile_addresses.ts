// Addresses that are meant to be misread: spellings of inner addresses, and URLs that two parsers read differently.

/** Where an attacker would like a server to go: loopback, clouds' metadata, the networks behind it. */
const innerV4 = ['127.0.0.1', '169.254.169.254', '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.100.100.200', '0.0.0.0',
  '192.0.0.192', '168.63.129.16']

const octetsOf = (address: string) => address.split('.').map(Number)
const numberOf = (address: string) => octetsOf(address).reduce((sum, octet) => sum * 256 + octet, 0)
const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')

/** Digits and letters in other clothes, which IDNA turns back into plain ones. */
const enclosed = (text: string) => [...text].map(character => {
  if (character === '0') return '⓪'
  if (/[1-9]/.test(character)) return String.fromCodePoint(0x2460 + Number(character) - 1)
  return /[a-z]/.test(character) ? String.fromCodePoint(0x24d0 + character.charCodeAt(0) - 97) : character
}).join('')
const fullWidth = (text: string) => [...text].map(character =>
  String.fromCodePoint(character.charCodeAt(0) + 0xfee0)).join('')

/** How one IPv4 address can be written for inet_aton() and for browsers. */
function spellingsV4 (address: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = octetsOf(address)
  const number = numberOf(address)
  const octal = (value: number) => `0${value.toString(8)}`
  return [address, String(number), `0x${hex(number, 8)}`, `0${number.toString(8)}`,
    [a, b, c, d].map(octal).join('.'), [a, b, c, d].map(octet => `000${octal(octet)}`).join('.'),
    [a, b, c, d].map(octet => `0x${hex(octet, 2)}`).join('.'), `${a}.${number - a * 2 ** 24}`,
    `${a}.${b}.${c * 256 + d}`, `0x${hex(a, 2)}.${b}.${octal(c)}.${d}`, `${address}.`, address.replaceAll('.', '。'),
    address.replaceAll('.', '．'), enclosed(address), fullWidth(address), address.replaceAll('.', '%2e'),
    `${a}.${b}.${c}.${d + 256}`, String(number + 2 ** 32)]
}

/** The ways in which IPv6 wraps IPv4. Without brackets. */
function wrappedV4 (address: string): string[] {
  const number = numberOf(address)
  const [high, low] = [hex(Math.floor(number / 65_536), 4), hex(number % 65_536, 4)]
  return [`::ffff:${address}`, `::ffff:${high}:${low}`, `0:0:0:0:0:ffff:${high}:${low}`, `::${address}`,
    `64:ff9b::${address}`, `64:ff9b::${high}:${low}`, `64:ff9b:1::${address}`, `2002:${high}:${low}::`,
    `2002:${high}:${low}::1`, `2001:0:${high}:${low}::`]
}

/** IPv6 addresses that lead inside by themselves. */
const innerV6 = ['::', '::1', '0:0:0:0:0:0:0:1', '0000:0000:0000:0000:0000:0000:0000:0001', 'fe80::1', 'fe80::1%eth0',
  'fec0::1', 'fc00::1', 'fd00:ec2::254', 'fd20:ce::254', 'ff02::1', '2001:db8::1', '2001::1', '100::1', '3fff::1',
  '5f00::1', '2620:4f:8000::1', '::ffff:0:127.0.0.1', '::1%lo']

/** Addresses as a resolver gives them: none of them is public. */
export const closedAddresses: readonly string[] = [
  ...innerV4, ...innerV4.flatMap(wrappedV4), ...innerV6, '0.1.2.3', '127.255.255.254', '100.64.0.1', '100.127.255.255',
  '169.254.0.1', '172.31.255.255', '192.0.2.1', '192.88.99.1', '198.18.0.1', '198.19.255.255', '198.51.100.1',
  '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', 'localhost', '', '127.1', '0x7f000001'
]

/** Addresses at the edges of the closed networks, and what carries a public address. */
export const openAddresses: readonly string[] = ['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255',
  '100.128.0.0', '126.255.255.255', '128.0.0.0', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0',
  '192.0.1.0', '192.167.255.255', '192.169.0.0', '198.17.255.255', '198.20.0.0', '203.0.112.255', '203.0.114.0',
  '223.255.255.255', '2600::1', '2001:4860:4860::8888', '2a00:1450:4001:81b::2003', '2003::1', '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8', '2001:200::1']

/** Hosts as an attacker writes them into URLs. */
export function hostileHosts (ownPort: number): string[] {
  const names = ['localhost', 'LOCALHOST', 'localhost.', 'ｌｏｃａｌｈｏｓｔ', enclosed('localhost'), 'localhost.localdomain',
    'metadata.google.internal', 'instance-data', 'kubernetes.default.svc', '127.0.0.1.nip.io', 'localtest.me',
    '7f000001.7f000001.rbndr.us', 'evil.example', 'evil.example.', 'EVIL.example', 'evil。example',
    'www.example.com.evil.example', 'www.example.comevil.example',
    'evil-www.example.com', 'wwwXexample.com', 'www.example.com.', 'www.exаmple.com',
    'www.example.co', 'www.example.com%00.evil.example', 'www.example.com%2eevil.example', 'www.example.com%0d%0aX: y',
    'example.com', 'xn--www-example-com.evil.example', 'www.example.com:80.evil.example', '[::1]', '[::]', '[fe80::1]']
  const wrapped = innerV4.slice(0, 3).flatMap(wrappedV4).map(address => `[${address}]`)
  const local = ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]', '①②⑦.⓪.⓪.①']
  return [...new Set([...names, ...innerV4.slice(0, 4).flatMap(spellingsV4), ...wrapped,
    ...local.map(host => `${host}:${ownPort}`)])]
}

/** URLs that lead to a host although a checker may think otherwise. `trusted` is the host that it looks for. */
export function hostileUrls (host: string, trusted: string): string[] {
  return [`http://${host}/`, `https://${host}/`, `//${host}/`, `///${host}/`, `\\\\${host}\\`, `/\\${host}/`, `\\/${host}/`,
    `/\t/${host}/`, `https:${host}/`, `https:/${host}/`, `https:///${host}/`, `https:\\\\${host}/`, `HtTpS://${host}/`,
    ` https://${host}/`, `\u0001https://${host}/`, `ht\ntps://${host}/`, `https://${trusted}@${host}/`,
    `https://${trusted}%40${host}/`, `https://${trusted}:443@${host}/`, `https://${host}\\@${trusted}/`,
    `https://${host}#@${trusted}/`, `https://${host}?@${trusted}/`, `https://${host}/@${trusted}/`,
    `https://a:b@${host}:80@${trusted}/`, `https://${trusted}\\.${host}/`, `https://${trusted}&@${host}/`,
    `https://${trusted}\r\n.${host}/`, `https://${trusted}。${host}/`, `https://${host}%23.${trusted}/`]
}

/** What is no web address, or leads on from one. */
export const hostileSchemes: readonly string[] = ['javascript:alert(1)//www.example.com', 'JaVaScRiPt:alert(1)',
  'java\nscript:alert(1)', 'data:text/html,<script>1</script>', 'vbscript:msgbox(1)', 'file:///etc/passwd',
  'ftp://www.example.com/', 'gopher://127.0.0.1:6379/_INFO', 'dict://127.0.0.1:11211/stats', 'ldap://127.0.0.1/',
  'jar:http://evil.example!/', 'ws://www.example.com/', 'about:blank', 'blob:https://www.example.com/1',
  'view-source:https://www.example.com/', 'intent://www.example.com#Intent;end', 'tel:+491', 'mailto:a@example.com',
  'x:www.example.com', '', ' ', '/', '?', '#', '.', '..', '/thanks', 'www.example.com', '%2f%2fevil.example',
  '%5c%5cevil.example', '/%2f/evil.example', '/%5cevil.example', '/%09/evil.example',
  '/%0d%0aLocation:%20//evil.example', '\r\nLocation: https://evil.example/', 'https://', 'https://@/',
  'https://:80/', 'https://%/', 'https://[/', '\u0000']

/** Paths below a proxied one that try to leave it, or its host. */
export function hostilePaths (path: string, host: string): string[] {
  const climbs = ['..', '.', '%2e%2e', '%2E.', '.%2e', '..%2f', '..%5c', '..\\', '..;', '%252e%252e', '%c0%ae%c0%ae',
    '..%00', '%2e%2e%2f', '..%252f', '․․', '．．']
  return [
    ...climbs.flatMap(climb => [`${path}/${climb}/${host}`, `${path}/a/${climb}/${climb}/x`, `${path}${climb}/x`,
      `/${climb}${path}/x`]),
    `/${path}/x`, `//${host}${path}/x`, `///${host}${path}/x`, `\\\\${host}${path}/x`, `/\\${host}${path}/x`,
    `@${host}${path}/x`, `${path}@${host}/x`, `${path}/@${host}/x`, `${path}//${host}/x`, `${path}/\\${host}/x`,
    `${path}/%2f%2f${host}/x`, `${path}/%5c%5c${host}`, `${path}%2f${host}`, `${path}%3f${host}`, `${path}%23${host}`,
    `${path}#@${host}/`, `${path}/#@${host}/`, `${path}/x#@${host}`, `${path}/%00${host}`, `${path}/x%00.js`,
    `${path}/%0d%0aHost:%20${host}`, `${path}/%0d%0a%0d%0aGET%20http://${host}/`, `${path}/%E5%98%8A%E5%98%8D${host}`,
    `${path}?@${host}/`, `${path}/?url=http://${host}/`, `${path}/?//${host}`, `${path}/http://${host}/`,
    `${path}/http:%2f%2f${host}/`, `${path}/x?u=%0d%0aHost:%20${host}`, `${path}:80@${host}/`, `.${host}/`,
    `:@${host}/`, `http://${host}${path}/x`, `https://${host}${path}/x`, `http://${host}/`, `http:/${host}${path}`,
    `http:${path}/x`, `ftp://${host}${path}/x`, '*', `${host}`, `${host}:80`, `${path}/\u00e9`,
    `${path}/x\u0000y`, `${path}/x\ty`,
    `${path}/x y`, `${path}/x HTTP/1.1\r\nHost: ${host}\r\nX: y`, `${path}/x\nHost: ${host}`, `${path}/"x"`,
    `${path}/<x>`, `${path}/x^y`, `${path}/x|y`, `${path}/{x}`, `${path}/\`x\``,
    `${path}/%zz`, `${path}/%`, `${path}/%2`
  ]
}
