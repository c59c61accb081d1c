// Tools for the AI SDK: npm install ai @warren/sdk, then pass `aiTools(tools)` to generateText, streamText or an agent.
//   const { tools, close } = await sandboxTools()
//   try { await generateText({ model, tools: aiTools(tools), stopWhen: isStepCount(10), prompt }) } finally { await close() }
import { jsonSchema, tool } from 'ai'

export function aiTools(tools) {
  return Object.fromEntries(
    tools.map(({ name, description, schema, run }) => [
      name,
      tool({ description, inputSchema: jsonSchema(schema), execute: run }),
    ]),
  )
}
