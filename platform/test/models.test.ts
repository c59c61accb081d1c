import { apis } from '../src/models/message.ts'
import { testModel } from './contracts/model.ts'

for (const api of apis) testModel(api)
