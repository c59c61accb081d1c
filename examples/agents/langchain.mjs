// Tools for LangChain.js: npm install @langchain/core @warren/sdk, then pass `langchainTools(tools)` to createAgent or bindTools.
//   const { tools, close } = await sandboxTools()
//   try { await createAgent({ model, tools: langchainTools(tools) }).invoke({ messages }) } finally { await close() }
import { tool } from '@langchain/core/tools'

export function langchainTools(tools) {
  return tools.map(({ name, description, schema, run }) => tool(run, { name, description, schema }))
}
