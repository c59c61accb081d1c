import type { Stripe } from 'stripe'
import { WarrenError } from '../../errors.ts'
import { exponentOf } from '../currency.ts'
import type { Answer, Notice, Payment, PaymentProvider } from './payment.ts'

export interface StripeOptions {
  key: string
  webhookSecret: string | undefined
  /** Another server than Stripe's own. */
  url: string | undefined
}

/** Stripe counts these in hundredths although ISO 4217 has none. */
const inHundredths = new Set(['ISK', 'UGX'])
/** Eight digits are what Stripe takes. */
const most = 99_999_999n

/** Payments by Stripe. The package is loaded at the first use: it is large. */
export function stripe({ key, webhookSecret, url }: StripeOptions): PaymentProvider {
  let loaded: Promise<Stripe> | undefined
  const client = () => (loaded ??= open(key, url))

  return {
    name: 'stripe',
    async pay(payment) {
      const parameters = {
        amount: toStripe(payment),
        currency: payment.currency.toLowerCase(),
        metadata: { payment: payment.id, account: payment.accountId },
        automatic_payment_methods: { enabled: true },
      }
      const { paymentIntents } = await client()
      return answerOf(await told(paymentIntents.create(parameters, { idempotencyKey: payment.id })))
    },
    async status({ reference }) {
      const { paymentIntents } = await client()
      return answerOf(await told(paymentIntents.retrieve(reference!)))
    },
    async read(body, signature) {
      if (!webhookSecret)
        throw new WarrenError('unavailable', 'notices of Stripe cannot be checked here', {
          hint: 'Set WARREN_STRIPE_WEBHOOK_SECRET.',
        })
      const { webhooks } = await client()
      try {
        return noticeOf(await webhooks.constructEventAsync(body, signature ?? '', webhookSecret))
      } catch (cause) {
        throw new WarrenError('forbidden', 'the signature of this notice does not hold, or it is too old', { cause })
      }
    },
  }
}

async function open(key: string, url: string | undefined): Promise<Stripe> {
  const { Stripe } = await import('stripe')
  const address = url === undefined ? undefined : new URL(url)
  return new Stripe(key, {
    telemetry: false,
    maxNetworkRetries: 2,
    timeout: 20_000,
    ...(address && {
      host: address.hostname,
      port: address.port,
      protocol: address.protocol === 'http:' ? ('http' as const) : ('https' as const),
    }),
  })
}

/** What Stripe says no to is the payment's end; where it cannot be reached, it is asked again. */
async function told<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (cause) {
    const { message, statusCode } = cause as { message: string; statusCode?: number }
    if (statusCode === 400 || statusCode === 402)
      throw new WarrenError('invalid_request', `Stripe refused: ${message}`, { cause })
    throw new WarrenError('unavailable', 'Stripe cannot be reached at the moment', {
      hint: 'The payment is recorded and asked for again; send the same idempotency key to see how it is.',
      cause,
    })
  }
}

function answerOf(intent: Stripe.PaymentIntent): Answer {
  const reason = intent.last_payment_error?.message ?? intent.cancellation_reason ?? undefined
  const state = intent.status === 'succeeded' ? 'succeeded' : intent.status === 'canceled' ? 'failed' : 'pending'
  const currency = intent.currency.toUpperCase()
  const amount = BigInt(state === 'succeeded' ? intent.amount_received : intent.amount)
  return {
    reference: intent.id,
    state,
    currency,
    minor: inHundredths.has(currency) ? amount / 100n : amount,
    ...(reason ? { reason } : {}),
    ...(intent.client_secret ? { clientSecret: intent.client_secret } : {}),
  }
}

function noticeOf(event: Stripe.Event): Notice | undefined {
  if (!/^payment_intent\.(succeeded|canceled|payment_failed|processing)$/.test(event.type)) return undefined
  const intent = event.data.object as Stripe.PaymentIntent
  const { clientSecret, ...answer } = answerOf(intent)
  return { ...answer, id: event.id, payment: intent.metadata?.payment }
}

function toStripe({ currency, minor }: Payment): number {
  const amount = inHundredths.has(currency) ? minor * 100n : minor
  if (amount > most)
    throw new WarrenError('invalid_request', `Stripe takes at most ${most} of the smallest unit at once, not ${amount}`)
  if (exponentOf(currency) === 3 && amount % 10n !== 0n)
    throw new WarrenError('invalid_request', `Stripe takes ${currency} in whole hundredths`)
  return Number(amount)
}
