/** Values of secrets by their names, of one account. Throws `not_found` naming those that are not there. */
export type ResolveSecrets = (accountId: string, names: readonly string[]) => Promise<Record<string, string>>
