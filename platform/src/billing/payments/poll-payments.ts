import type { Logger } from '../../telemetry/logger.ts'
import { goOn, type PaymentDeps } from './create-payment.ts'
import { openPayments } from './payment-records.ts'

/** Younger ones are still being made by a request. */
const patienceMs = 10_000

/** Asks after every payment whose end is not known: also of those that a crash left between its record and the provider. */
export async function pollPayments(deps: PaymentDeps & { logger: Logger }): Promise<void> {
  for (const payment of await openPayments(deps.db.kysely, new Date(deps.now().getTime() - patienceMs))) {
    try {
      await goOn(deps, payment)
    } catch (error) {
      deps.logger.info({ err: error, payment: payment.id }, 'a payment could not be asked after; it is asked again')
    }
  }
}
