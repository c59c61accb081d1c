import { Command } from 'commander'
import { addJoin } from './commands/account/join.ts'
import { addLogin } from './commands/account/login.ts'
import { addLogout } from './commands/account/logout.ts'
import { addWhoami } from './commands/account/whoami.ts'
import { addManage } from './commands/agent/manage.ts'
import { addRun as addAgentRun } from './commands/agent/run.ts'
import { addAudit } from './commands/audit/audit.ts'
import { addBackup } from './commands/backup/backup.ts'
import { addBilling } from './commands/billing/billing.ts'
import { addInvoice } from './commands/billing/invoice.ts'
import { addPlan } from './commands/billing/plan.ts'
import { addCreate as addBucketCreate } from './commands/bucket/create.ts'
import { addDelete as addBucketDelete } from './commands/bucket/delete.ts'
import { addList as addBucketList } from './commands/bucket/list.ts'
import { addChat } from './commands/chat.ts'
import { addCompletion } from './commands/completion.ts'
import { addDoctor } from './commands/doctor.ts'
import { addEval } from './commands/eval.ts'
import { addEvents } from './commands/events.ts'
import { addAlias as addFunctionAlias } from './commands/fn/alias.ts'
import { addDelete as addFunctionDelete } from './commands/fn/delete.ts'
import { addDeploy as addFunctionDeploy } from './commands/fn/deploy.ts'
import { addDev as addFunctionDev } from './commands/fn/dev.ts'
import { addGet as addFunctionGet } from './commands/fn/get.ts'
import { addHook as addFunctionHook } from './commands/fn/hook.ts'
import { addInvoke as addFunctionInvoke } from './commands/fn/invoke.ts'
import { addList as addFunctionList } from './commands/fn/list.ts'
import { addLogs as addFunctionLogs } from './commands/fn/logs.ts'
import { addNew as addFunctionNew } from './commands/fn/new.ts'
import { addRollback as addFunctionRollback } from './commands/fn/rollback.ts'
import { addRoute as addFunctionRoute } from './commands/fn/route.ts'
import { addSchedule as addFunctionSchedule } from './commands/fn/schedule.ts'
import { addSubscribe as addFunctionSubscribe } from './commands/fn/subscribe.ts'
import { addTrigger as addFunctionTrigger } from './commands/fn/trigger.ts'
import { addVersions as addFunctionVersions } from './commands/fn/versions.ts'
import { addKeys } from './commands/key/keys.ts'
import { addMcp } from './commands/mcp.ts'
import { addDocuments } from './commands/memory/documents.ts'
import { addMemory } from './commands/memory/manage.ts'
import { addModelsCheck } from './commands/models/check.ts'
import { addList as addNodeList } from './commands/node/list.ts'
import { addRemove as addNodeRemove } from './commands/node/remove.ts'
import { addDelete as addObjectDelete } from './commands/object/delete.ts'
import { addGet as addObjectGet } from './commands/object/get.ts'
import { addList as addObjectList } from './commands/object/list.ts'
import { addPut as addObjectPut } from './commands/object/put.ts'
import { addSign as addObjectSign } from './commands/object/sign.ts'
import { addMembers } from './commands/org/members.ts'
import { addOrgs } from './commands/org/orgs.ts'
import { addList as addQuotaList } from './commands/quota/list.ts'
import { addSet as addQuotaSet } from './commands/quota/set.ts'
import { addRun } from './commands/run.ts'
import { addAct } from './commands/runs/act.ts'
import { addLook } from './commands/runs/look.ts'
import { addClone } from './commands/sandbox/clone.ts'
import { addConsole } from './commands/sandbox/console.ts'
import { addContext } from './commands/sandbox/context.ts'
import { addCopy } from './commands/sandbox/copy.ts'
import { addCreate } from './commands/sandbox/create.ts'
import { addExec } from './commands/sandbox/exec.ts'
import { addFork } from './commands/sandbox/fork.ts'
import { addInfo } from './commands/sandbox/info.ts'
import { addKill } from './commands/sandbox/kill.ts'
import { addList } from './commands/sandbox/list.ts'
import { addLogs } from './commands/sandbox/logs.ts'
import { addNetwork } from './commands/sandbox/network.ts'
import { addPause } from './commands/sandbox/pause.ts'
import { addResume } from './commands/sandbox/resume.ts'
import { addShell } from './commands/sandbox/shell.ts'
import { addTimeout } from './commands/sandbox/timeout.ts'
import { addCreate as addSecretCreate } from './commands/secret/create.ts'
import { addDelete as addSecretDelete } from './commands/secret/delete.ts'
import { addList as addSecretList } from './commands/secret/list.ts'
import { addUpdate as addSecretUpdate } from './commands/secret/update.ts'
import { addCreate as addSnapshotCreate } from './commands/snapshot/create.ts'
import { addDelete as addSnapshotDelete } from './commands/snapshot/delete.ts'
import { addExport } from './commands/snapshot/export.ts'
import { addImport } from './commands/snapshot/import.ts'
import { addList as addSnapshotList } from './commands/snapshot/list.ts'
import { addBuild as addTemplateBuild } from './commands/template/build.ts'
import { addList as addTemplateList } from './commands/template/list.ts'
import { addRemove as addTemplateRemove } from './commands/template/remove.ts'
import { addTop } from './commands/top.ts'
import { addUp } from './commands/up.ts'
import { addUsage } from './commands/usage.ts'
import { addVerify } from './commands/verify.ts'
import { addCreate as addVolumeCreate } from './commands/volume/create.ts'
import { addDelete as addVolumeDelete } from './commands/volume/delete.ts'
import { addList as addVolumeList } from './commands/volume/list.ts'
import { addCreate as addWebhookCreate } from './commands/webhook/create.ts'
import { addDelete as addWebhookDelete } from './commands/webhook/delete.ts'
import { addDeliveries } from './commands/webhook/deliveries.ts'
import { addList as addWebhookList } from './commands/webhook/list.ts'
import { addReplay } from './commands/webhook/replay.ts'
import { addRotate } from './commands/webhook/rotate.ts'
import { addTest } from './commands/webhook/test.ts'
import { text } from './messages.ts'
import { displayWidth } from './output/display-width.ts'
import { usageError } from './usage-error.ts'

/** The whole command line. With `json` it tells mistakes in itself as JSON. */
export function program({ json = false } = {}): Command {
  const root = new Command('warren').description(text.warren).version('0.1.0', '-V, --version', text.optionVersion)
  // Before the commands are added: they take these over.
  root
    .exitOverride()
    .helpOption('-h, --help', text.optionHelp)
    .helpCommand('help [command]', text.helpCommand)
    .configureHelp({
      styleTitle: (title) => text.headings[title] ?? title,
      displayWidth,
      // Without the choices, which commander would name in English and our descriptions name themselves.
      optionDescription: ({ description }) => description,
      argumentDescription: ({ description }) => description,
    })
    .configureOutput({ outputError: (message, write) => write(usageError(root, message, json)) })
  root
    .enablePositionalOptions()
    .showHelpAfterError(json ? false : text.helpAfterError)
    .addHelpText('after', `\n${text.environment}`)
  for (const add of [addUp, addDoctor, addVerify, addRun]) add(root)

  const sandbox = root.command('sandbox').description(text.sandbox).enablePositionalOptions()
  sandbox.helpCommand('help [command]', text.helpCommand)
  const programs = [addExec, addShell, addConsole, addContext, addCopy, addLogs]
  const adds = [
    addCreate,
    addList,
    addInfo,
    ...programs,
    addNetwork,
    addTimeout,
    addPause,
    addResume,
    addFork,
    addClone,
  ]
  for (const add of [...adds, addKill]) add(sandbox)

  const snapshot = root.command('snapshot').description(text.snapshot).enablePositionalOptions()
  snapshot.helpCommand('help [command]', text.helpCommand)
  for (const add of [addSnapshotCreate, addSnapshotList, addSnapshotDelete, addExport, addImport]) add(snapshot)

  const template = root.command('template').description(text.template).enablePositionalOptions()
  template.helpCommand('help [command]', text.helpCommand)
  for (const add of [addTemplateBuild, addTemplateList, addTemplateRemove]) add(template)

  const volume = root.command('volume').description(text.volume).enablePositionalOptions()
  volume.helpCommand('help [command]', text.helpCommand)
  for (const add of [addVolumeCreate, addVolumeList, addVolumeDelete]) add(volume)

  const bucket = root.command('bucket').description(text.bucket).enablePositionalOptions()
  bucket.helpCommand('help [command]', text.helpCommand)
  for (const add of [addBucketCreate, addBucketList, addBucketDelete]) add(bucket)

  const object = root.command('object').description(text.object).enablePositionalOptions()
  object.helpCommand('help [command]', text.helpCommand)
  for (const add of [addObjectPut, addObjectGet, addObjectList, addObjectDelete, addObjectSign]) add(object)

  const secret = root.command('secret').description(text.secret).enablePositionalOptions()
  secret.helpCommand('help [command]', text.helpCommand)
  for (const add of [addSecretCreate, addSecretList, addSecretUpdate, addSecretDelete]) add(secret)

  const fn = root.command('fn').description(text.fn).enablePositionalOptions()
  fn.helpCommand('help [command]', text.helpCommand)
  const versioning = [addFunctionVersions, addFunctionAlias, addFunctionRollback]
  const making = [addFunctionNew, addFunctionDeploy, addFunctionDev, addFunctionInvoke, addFunctionList, addFunctionGet]
  for (const add of [
    ...making,
    ...versioning,
    addFunctionLogs,
    addFunctionSchedule,
    addFunctionTrigger,
    addFunctionSubscribe,
    addFunctionHook,
    addFunctionRoute,
    addFunctionDelete,
  ])
    add(fn)

  const node = root.command('node').description(text.node).enablePositionalOptions()
  node.helpCommand('help [command]', text.helpCommand)
  for (const add of [addNodeList, addNodeRemove]) add(node)
  const quota = root.command('quota').description(text.quota).enablePositionalOptions()
  quota.helpCommand('help [command]', text.helpCommand)
  for (const add of [addQuotaList, addQuotaSet]) add(quota)

  for (const add of [addPlan, addInvoice, addBilling]) add(root)

  const agent = root.command('agent').description(text.agent).enablePositionalOptions()
  agent.helpCommand('help [command]', text.helpCommand)
  for (const add of [addAgentRun, addManage]) add(agent)
  addChat(root)
  const runs = root.command('runs').description(text.runs).enablePositionalOptions()
  runs.helpCommand('help [command]', text.helpCommand)
  for (const add of [addLook, addAct]) add(runs)

  addEval(root)
  const memory = root.command('memory').description(text.memory).enablePositionalOptions()
  memory.helpCommand('help [command]', text.helpCommand)
  addMemory(memory)
  addDocuments(memory.command('document').description(text.memoryDocument))

  const models = root.command('models').description(text.models).enablePositionalOptions()
  models.helpCommand('help [command]', text.helpCommand)
  addModelsCheck(models)

  for (const add of [addLogin, addJoin, addLogout, addWhoami]) add(root)
  const groups = [
    ['org', text.org, [addOrgs, addMembers]],
    ['key', text.key, [addKeys]],
    ['audit', text.audit, [addAudit]],
  ] as const
  for (const [name, description, all] of groups) {
    const group = root.command(name).description(description).enablePositionalOptions()
    group.helpCommand('help [command]', text.helpCommand)
    for (const add of all) add(group)
  }

  const webhook = root.command('webhook').description(text.webhook).enablePositionalOptions()
  webhook.helpCommand('help [command]', text.helpCommand)
  const tells = [addDeliveries, addReplay, addTest]
  for (const add of [addWebhookCreate, addWebhookList, addWebhookDelete, addRotate, ...tells]) add(webhook)

  for (const add of [addEvents, addUsage, addTop, addMcp, addBackup]) add(root)
  addCompletion(root)
  return root
}
