import type { FastifyInstance } from 'fastify'
import { type Static, Type } from 'typebox'
import type { Billing } from '../../billing/billing.ts'
import { InvoiceView, invoiceView, PageQuery, pageOf, quantitiesView, UsageView } from './billing-views.ts'
import { json, named, problems } from './schema.ts'

const InvoiceParams = Type.Object({ invoice: Type.String({ maxLength: 64 }) })
type ByInvoice = { Params: Static<typeof InvoiceParams> }

const InvoiceList = Type.Object({ invoices: Type.Array(named(InvoiceView)) }, { $id: 'InvoiceList' })
const UsageList = Type.Object({ usage: Type.Array(named(UsageView)) }, { $id: 'InvoiceUsage' })

export const invoiceSchemas = [InvoiceList, UsageList]

/** /v1/billing/invoices: what was invoiced, and the use behind it. */
export function invoiceRoutes(app: FastifyInstance, billing: Billing): void {
  const about = { tags: ['billing'] }

  app.get<{ Querystring: PageQuery }>(
    '/billing/invoices',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'listInvoices',
        summary: 'Invoices and credit notes, newest first, without their lines',
        querystring: PageQuery,
        response: { 200: json('They are.', InvoiceList), ...problems },
      },
    },
    async ({ account, query }) => ({
      invoices: (await billing.invoices(account.id, pageOf(query))).map((invoice) => invoiceView(invoice)),
    }),
  )

  app.get<ByInvoice>(
    '/billing/invoices/:invoice',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'getInvoice',
        summary: 'One invoice with its lines',
        params: InvoiceParams,
        response: { 200: json('The invoice.', InvoiceView), ...problems },
      },
    },
    async ({ account, params }) => {
      const { invoice, lines } = await billing.getInvoice(account.id, params.invoice)
      return invoiceView(invoice, lines)
    },
  )

  app.get<ByInvoice>(
    '/billing/invoices/:invoice/pdf',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'getInvoicePdf',
        summary: 'The same for people, in English and Chinese',
        params: InvoiceParams,
        response: {
          200: {
            description: 'PDF.',
            content: {
              'application/pdf': {
                schema: { type: 'string', format: 'binary' },
              },
            },
          },
          ...problems,
        },
      },
    },
    async ({ account, params }, reply) => {
      const pdf = await billing.invoicePdf(account.id, params.invoice, account.name)
      return reply.type('application/pdf').send(pdf)
    },
  )

  app.get<ByInvoice & { Querystring: PageQuery }>(
    '/billing/invoices/:invoice/usage',
    {
      config: { permission: 'billing:read' },
      schema: {
        ...about,
        operationId: 'getInvoiceUsage',
        summary: 'What each resource used of what the invoice takes, the ones with the most time first',
        params: InvoiceParams,
        querystring: PageQuery,
        response: { 200: json('As measured.', UsageList), ...problems },
      },
    },
    async ({ account, params, query }) => {
      const usage = await billing.usageOf(account.id, params.invoice, pageOf(query))
      return { usage: usage.map(({ quantities, ...one }) => ({ ...one, quantities: quantitiesView(quantities) })) }
    },
  )
}
