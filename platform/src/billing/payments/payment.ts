/*
 * createPayment ──▶ created ──provider──▶ pending ──notice or poll──▶ succeeded | failed
 * Created means that the provider may have heard of it: it is asked again, under the same id.
 */
export interface Payment {
  id: string
  accountId: string
  key: string
  provider: ProviderName | 'wallet'
  purpose: 'top_up' | 'invoice'
  invoice: string | undefined
  currency: string
  minor: bigint
  state: 'created' | 'pending' | 'succeeded' | 'failed'
  /** At the bank: the card. */
  method: string | undefined
  /** What the provider calls it. */
  reference: string | undefined
  reason: string | undefined
  createdAt: Date
  settledAt: Date | undefined
}

export type ProviderName = 'stripe' | 'bank'

export interface Answer {
  reference: string
  state: 'pending' | 'succeeded' | 'failed'
  /** Of what the provider speaks: of what was received, once it succeeded. */
  currency: string
  minor: bigint
  reason?: string
  /** With it the payer's browser completes the payment. */
  clientSecret?: string
}

/** What a provider tells by itself, once its signature was found to hold. */
export interface Notice extends Omit<Answer, 'clientSecret'> {
  /** The same one may come again. */
  id: string
  payment: string | undefined
}

/** Somebody who moves money. It answers at once, and how it went is asked for and told later. */
export interface PaymentProvider {
  name: ProviderName
  /** Asked again for the same payment it does nothing new. */
  pay(payment: Payment): Promise<Answer>
  status(payment: Payment): Promise<Answer>
  /** Throws `forbidden` where the signature does not hold; undefined where it tells of something else. */
  read(body: Buffer, signature: string | undefined): Promise<Notice | undefined>
  /** What it has to do now and then, where it lives here. `tell` takes in a notice of its own. */
  work?(tell: (notice: { body: Buffer; signature: string }) => Promise<boolean>): Promise<void>
}
