import { oneOf, setting } from './setting.ts'

/** What an operator can set about money. */
export const billingSettings = {
  billingCurrency: setting({
    name: 'billing.currency',
    env: 'WARREN_BILLING_CURRENCY',
    default: 'USD',
    meaning: 'Currency of accounts that do not choose one, by ISO 4217.',
    parse: currency,
  }),
  sandboxBank: setting({
    name: 'billing.sandboxBank',
    env: 'WARREN_BILLING_SANDBOX_BANK',
    default: false,
    meaning: 'Whether invoices can be paid at the bank that only plays one, with money that is none: yes, no.',
    parse: (text) => oneOf('yes', 'no')(text) === 'yes',
  }),
  stripeKey: setting<string | undefined>({
    name: 'billing.stripe.key',
    env: 'WARREN_STRIPE_KEY',
    default: undefined,
    meaning: 'Secret key of Stripe. With it accounts can pay by Stripe.',
    parse: (text) => text,
  }),
  stripeWebhookSecret: setting<string | undefined>({
    name: 'billing.stripe.webhookSecret',
    env: 'WARREN_STRIPE_WEBHOOK_SECRET',
    default: undefined,
    meaning: 'Signing secret of the endpoint /v1/billing/notices/stripe at Stripe.',
    parse: (text) => text,
  }),
  stripeUrl: setting<string | undefined>({
    name: 'billing.stripe.url',
    env: 'WARREN_STRIPE_URL',
    default: undefined,
    meaning: "Where Stripe's API is, for tests. Default: at Stripe.",
    parse: url,
  }),
}

function currency(text: string): string {
  if (!/^[A-Z]{3}$/.test(text)) throw new RangeError('three capital letters, such as USD')
  return text
}

function url(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ''))
    throw new RangeError('an address that begins with http: or https:')
  return text
}
