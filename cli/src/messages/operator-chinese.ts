import type { operatorEnglish } from './operator-english.ts'

/** 运维命令的中文文案。 */
export const operatorChinese: typeof operatorEnglish = {
  backup: '备份与恢复本安装：WARREN_HOME 与数据库',
  backupCreate: '把不可丢失的内容写入一个文件；平台可以正在运行',
  backupVerify: '检查备份是否完整且未被改动',
  backupRestore: '用备份重建安装，要求 WARREN_HOME 与数据库都为空',
  argumentBackupFile: '备份文件',
  argumentNewBackup: '要写入的文件；默认为当前目录下的 warren-backup-时间.tar',
  optionWith: '一并带上大文件：volumes、snapshots、buckets、templates，用逗号分隔，或 all',
  badWith: (name) => `“${name}”不是 volumes、snapshots、buckets、templates 或 all`,
  backingUp: '正在备份',
  checkingBackup: '正在检查备份',
  restoring: '正在恢复',
  backupMade: (path, size, rows) => `${path}：${size}，数据库 ${rows} 行`,
  backupHolds: (names) => `包含这些文件：${names}。`,
  backupLeftOut: (name, size) => `未包含：${name} 的文件，${size}（--with ${name}）`,
  backupMissingCode: (count) => `磁盘上缺少 ${count} 个函数版本的代码，请重新部署。`,
  backupLiveVolumes: '备份时平台正在运行。当时正被沙箱写入的卷，恢复后可能需要检查文件系统。',
  backupSecret: '其中含有本安装的密钥：请存放在他人无法读取之处。',
  backupGood: (count, at) => `全部 ${count} 个部分均与 ${at} 写入时一致。`,
  backupBad: '备份已损坏：',
  restored: (home) => `已恢复到 ${home}。启动平台：warren up`,
}
