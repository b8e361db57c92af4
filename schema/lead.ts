// What a lead is: the answers a visitor typed, and where the visitor came from.
import type { Campaign, ClickId, EventData, UserData } from './event.ts'
import type { Static } from 'typebox'

/** The sealed payload of a row in `leads`. */
export interface LeadData {
  event_name: string
  event_id: string
  user_data?: UserData
  /** Everything typed that is no known field, under the form's own names; files as {name, type, size}. */
  fields: Record<string, unknown>
  form_id?: string
  form_name?: string
  page_location?: string
  value?: number
  currency?: string
  consent?: EventData['consent']
  language?: string
}

/** A landing: the sealed payload of a row in `touches`. */
export interface Touch {
  seen_at_ms: number
  page_location?: string
  page_referrer?: string
  click_ids?: Record<string, ClickId>
  cookies?: Record<string, string>
  campaign?: Static<typeof Campaign>
}

/** What a form field is known to hold. `full_name` is split only where that is certain. */
export type PersonKey = 'email' | 'phone_number' | 'first_name' | 'last_name' | 'full_name' | 'street' | 'city' |
  'region' | 'postal_code' | 'country' | 'birth_date' | 'gender' | 'sha256_email_address' | 'sha256_phone_number'

/**
 * The names that forms give to known fields, in lower case without separators and accents (German umlauts as in
 * `strasse` and `gebdatum` are written out by most forms): English, German, French, Spanish, Italian, Dutch,
 * Portuguese, Polish, Swedish, Danish, Czech. gateway/forms.ts also removes brackets and a leading `your-`, `billing_`
 * and the like.
 */
export const formFieldNames: Readonly<Record<PersonKey, readonly string[]>> = {
  email: ['email', 'mail', 'emailaddress', 'mailaddress', 'emailadresse', 'mailadresse', 'emailadres', 'courriel',
    'adressemail', 'adresseemail', 'correo', 'correoelectronico', 'direccionemail', 'indirizzoemail',
    'postaelettronica',
    'enderecoemail', 'adresemail', 'epost', 'epostadress', 'workemail', 'businessemail', 'userelectronicmail', 'em'],
  phone_number: ['phone', 'phonenumber', 'phoneno', 'tel', 'telephone', 'telephonenumber', 'telno', 'mobile',
    'mobilephone',
    'mobilenumber', 'cell', 'cellphone', 'cellnumber', 'telefon', 'telefonnummer', 'telefonnr', 'telnr', 'rufnummer',
    'handy',
    'handynummer', 'mobil', 'mobilnummer', 'mobiltelefon', 'portable', 'numerodetelephone', 'telefono',
    'telefonofijo', 'movil',
    'celular', 'numerodetelefono', 'cellulare', 'numeroditelefono', 'telefoon', 'telefoonnummer', 'mobiel', 'gsm',
    'mobielnummer', 'telefone', 'telemovel', 'numertelefonu', 'komorka', 'whatsapp', 'telefonicislo', 'ph'],
  first_name: ['firstname', 'fname', 'givenname', 'forename', 'vorname', 'prenom', 'nombre', 'primernombre', 'nome',
    'voornaam',
    'primeironome', 'imie', 'fornamn', 'fornavn', 'jmeno', 'fn'],
  last_name: ['lastname', 'lname', 'surname', 'familyname', 'secondname', 'nachname', 'familienname', 'nom',
    'nomdefamille',
    'apellido', 'apellidos', 'cognome', 'achternaam', 'familienaam', 'sobrenome', 'apelido', 'ultimonome', 'nazwisko',
    'efternamn', 'efternavn', 'prijmeni', 'ln'],
  full_name: ['name', 'fullname', 'yourname', 'completename', 'vollstaendigername', 'vollername', 'namevorname',
    'vorundnachname',
    'nomcomplet', 'nometprenom', 'nombrecompleto', 'nombreyapellidos', 'nomecompleto', 'nomeecognome', 'naam',
    'volledigenaam',
    'imieinazwisko', 'namn', 'navn'],
  street: ['street', 'streetaddress', 'address1', 'addressline1', 'strasse', 'straße', 'strassehausnummer',
    'strasseundhausnummer',
    'rue', 'calle', 'via', 'indirizzo', 'straat', 'rua', 'ulica', 'gata', 'ulice'],
  city: ['city', 'town', 'locality', 'ort', 'stadt', 'wohnort', 'ville', 'ciudad', 'citta', 'comune', 'stad', 'plaats',
    'woonplaats', 'cidade', 'miasto', 'mesto'],
  region: ['region', 'state', 'province', 'bundesland', 'departement', 'provincia', 'provincie', 'estado',
    'wojewodztwo'],
  postal_code: ['postalcode', 'postcode', 'zip', 'zipcode', 'plz', 'postleitzahl', 'codepostal', 'cp', 'codigopostal',
    'cap',
    'codiceavviamentopostale', 'cep', 'kodpocztowy', 'postnummer', 'psc'],
  country: ['country', 'countrycode', 'land', 'pays', 'pais', 'paese', 'nazione', 'kraj'],
  birth_date: ['birthdate', 'birthday', 'dateofbirth', 'dob', 'geburtsdatum', 'gebdatum', 'datedenaissance',
    'fechadenacimiento',
    'datadinascita', 'geboortedatum', 'datadenascimento', 'dataurodzenia', 'db'],
  gender: ['gender', 'sex', 'geschlecht', 'sexe', 'sexo', 'sesso', 'geslacht', 'plec', 'ge'],
  sha256_email_address: ['sha256emailaddress', 'sha256email'],
  sha256_phone_number: ['sha256phonenumber', 'sha256phone']
}
