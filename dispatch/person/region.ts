// States and provinces of the United States and Canada, by code and by name.

/** Postal code → names, in lower case with letters only. The United States with the district, territories and APO. */
const unitedStates: Record<string, string[]> = {
  al: ['alabama'],
  ak: ['alaska'],
  az: ['arizona'],
  ar: ['arkansas'],
  ca: ['california'],
  co: ['colorado'],
  ct: ['connecticut'],
  de: ['delaware'],
  fl: ['florida'],
  ga: ['georgia'],
  hi: ['hawaii'],
  id: ['idaho'],
  il: ['illinois'],
  in: ['indiana'],
  ia: ['iowa'],
  ks: ['kansas'],
  ky: ['kentucky'],
  la: ['louisiana'],
  me: ['maine'],
  md: ['maryland'],
  ma: ['massachusetts'],
  mi: ['michigan'],
  mn: ['minnesota'],
  ms: ['mississippi'],
  mo: ['missouri'],
  mt: ['montana'],
  ne: ['nebraska'],
  nv: ['nevada'],
  nh: ['newhampshire'],
  nj: ['newjersey'],
  nm: ['newmexico'],
  ny: ['newyork', 'newyorkstate'],
  nc: ['northcarolina'],
  nd: ['northdakota'],
  oh: ['ohio'],
  ok: ['oklahoma'],
  or: ['oregon'],
  pa: ['pennsylvania'],
  ri: ['rhodeisland'],
  sc: ['southcarolina'],
  sd: ['southdakota'],
  tn: ['tennessee'],
  tx: ['texas'],
  ut: ['utah'],
  vt: ['vermont'],
  va: ['virginia'],
  wa: ['washington', 'washingtonstate'],
  wv: ['westvirginia'],
  wi: ['wisconsin'],
  wy: ['wyoming'],
  dc: ['districtofcolumbia', 'washingtondc', 'dcwashington'],
  as: ['americansamoa'],
  gu: ['guam'],
  mp: ['northernmarianaislands'],
  pr: ['puertorico'],
  vi: ['usvirginislands', 'virginislands', 'unitedstatesvirginislands'],
  um: ['usminoroutlyingislands', 'unitedstatesminoroutlyingislands'],
  aa: ['armedforcesamericas'],
  ae: ['armedforceseurope'],
  ap: ['armedforcespacific']
}

const canada: Record<string, string[]> = {
  ab: ['alberta'],
  bc: ['britishcolumbia', 'colombiebritannique'],
  mb: ['manitoba'],
  nb: ['newbrunswick', 'nouveaubrunswick'],
  nl: ['newfoundlandandlabrador', 'newfoundland', 'terreneuveetlabrador'],
  ns: ['novascotia', 'nouvelleecosse'],
  nt: ['northwestterritories', 'territoiresdunordouest'],
  nu: ['nunavut'],
  on: ['ontario'],
  pe: ['princeedwardisland', 'ileduprinceedouard'],
  qc: ['quebec'],
  sk: ['saskatchewan'],
  yt: ['yukon', 'yukonterritory']
}

const byCountry = new Map([['us', codesByName(unitedStates)], ['ca', codesByName(canada)]])

function codesByName (table: Record<string, string[]>): Map<string, string> {
  return new Map(Object.entries(table).flatMap(([code, names]) => [code, ...names].map(name => [name, code] as const)))
}

/** Countries whose regions these tables know. */
export function hasRegionTable (country: string): boolean {
  return byCountry.has(country)
}

/**
 * The two-letter code of a state, province or territory given as code (`CA`, ISO `US-CA`) or name; null if it is none.
 * `country` is ISO alpha-2 in lower case; without it both countries are asked, which have no name or code in common.
 */
export function readRegionCode (text: string, country?: string): string | null {
  const name = text.normalize('NFKD').toLowerCase().replace(/[^a-z]/g, '')
  const iso = /^(us|ca)-([a-z]{2})$/.exec(text.trim().toLowerCase())
  for (const [tableCountry, codes] of byCountry) {
    if (country !== undefined && country !== tableCountry) continue
    const code = iso?.[1] === tableCountry ? codes.get(iso[2] ?? '') : codes.get(name)
    if (code !== undefined) return code
  }
  return null
}
