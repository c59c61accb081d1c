/** What the commands of an operator say, which work on the platform's folder and database themselves. */
export const operatorEnglish = {
  backup: 'back up and restore this installation: WARREN_HOME and the database',
  backupCreate: 'write what must not be lost into one file; the platform may be at work',
  backupVerify: 'check that a backup is whole and unchanged',
  backupRestore: 'make an installation of a backup, in an empty WARREN_HOME and an empty database',
  argumentBackupFile: 'the file of the backup',
  argumentNewBackup: 'file to write; default: warren-backup-TIME.tar here',
  optionWith: 'take large files along: volumes, snapshots, buckets and templates, with commas between, or all',
  badWith: (name: string) => `"${name}" is none of volumes, snapshots, buckets, templates and all`,
  backingUp: 'backing up',
  checkingBackup: 'checking the backup',
  restoring: 'restoring',
  backupMade: (path: string, size: string, rows: number) => `${path}: ${size}, ${rows} rows of the database`,
  backupHolds: (names: string) => `With the files of ${names}.`,
  backupLeftOut: (name: string, size: string) => `Left out: the files of ${name}, ${size} (--with ${name})`,
  backupMissingCode: (count: number) =>
    `Not on the disk: the code of ${count} versions of functions. Deploy those again.`,
  backupLiveVolumes:
    'The platform was at work. A volume that a sandbox was writing to may need a check of its file system after a restore.',
  backupSecret: 'It holds the keys of this installation: keep it where nobody else can read it.',
  backupGood: (count: number, at: string) => `All ${count} parts are as they were written at ${at}.`,
  backupBad: 'The backup is damaged:',
  restored: (home: string) => `Restored into ${home}. Start the platform: warren up`,
}
