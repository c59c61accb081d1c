import { server } from '../../server.ts'

/** Id of the organisation that commands act for. */
export async function usedOrg(): Promise<string> {
  return (await server().auth.me()).organisation.id
}

/** Id of `given`, an id or a name, else of the organisation that commands act for. */
export async function orgOf({ org: given }: { org?: string | undefined }): Promise<string> {
  if (!given) return usedOrg()
  const found = (await server().orgs.list()).find(({ id, name }) => id === given || name === given)
  return found?.id ?? given
}
