import { type Static, Type } from 'typebox'

export const Template = Type.Object(
  {
    name: Type.String(),
    description: Type.String(),
  },
  { $id: 'Template', description: 'What a sandbox starts from: its files and its users.' },
)
export type Template = Static<typeof Template>
