export const severities = ['low', 'medium', 'high'] as const
export type Severity = (typeof severities)[number]

/** What is looked for, how bad it is where it is meant badly, and why, for people. */
export const hazards = {
  'remove-root': ['high', 'deletes the root, the home or a system folder'],
  'remove-all': [
    'medium',
    'deletes everything in a folder whose name is not known before it runs, or in the present one',
  ],
  'overwrite-disk': ['high', 'writes over a disk, or makes a file system on one'],
  'download-run': ['high', 'runs a program that it downloads, unseen'],
  'decoded-run': ['high', 'runs a program that it decodes first, which hides what it does'],
  'reverse-shell': ['high', 'gives a shell, or what is typed into one, to another machine'],
  'fork-bomb': ['high', 'starts copies of itself without end'],
  'credential-file': ['high', 'reads passwords, keys or tokens'],
  'credential-sent': ['high', 'sends passwords, keys or tokens to the network'],
  'cloud-metadata': ['high', 'asks a cloud for the credentials of the machine'],
  'sandbox-escape': ['high', 'touches what sandboxes have been broken out by'],
  'kernel-setting': ['high', 'changes a setting of the kernel'],
  'lasting-foothold': ['medium', 'makes something run again later: at a login, by a timer, at each commit'],
  'system-file': ['medium', 'changes a file of the system'],
  'open-permissions': ['medium', 'gives everybody rights to files, or lets a program run with the rights of its owner'],
  'hidden-history': ['medium', 'hides what was done from the history or the logs'],
  'library-injection': ['medium', 'has a library loaded into other programs'],
  'package-from-url': ['medium', 'installs a package from an address instead of a registry'],
  'security-off': ['medium', 'turns a protection of the system off'],
  'kill-all': ['medium', 'ends all processes, or the machine'],
  tunnel: ['medium', 'opens a way in from outside, or around the policy of the network'],
  mining: ['high', 'computes money for somebody'],
  'dynamic-code': ['medium', 'runs text as code that is made only while it runs'],
  'native-code': ['medium', 'calls machine code past the language'],
  'raw-socket': ['low', 'speaks to the network by itself'],
  'hidden-command': ['low', 'calls a command whose name is not known before it runs'],
  'unseen-program': ['medium', 'runs a file, or what a file says, whose content was not seen before'],
  'unchecked-tls': ['low', 'does not check who it speaks to'],
  'work-lost': ['low', 'throws work away that was not committed'],
  unreadable: ['medium', 'could not be read as the language that it is in, in part at least'],
  'not-inspected': ['high', 'is too large, too deep or took too long to be looked through'],
} as const satisfies Record<string, readonly [Severity, string]>

export type HazardName = keyof typeof hazards

/** Findings that say that reading did not tell what will be done: nobody has seen it, so nobody has found it harmless. */
export const beyondReading: ReadonlySet<HazardName> = new Set([
  'dynamic-code',
  'hidden-command',
  'unseen-program',
  'unreadable',
  'not-inspected',
] as const)

/** Something that code does, as far as it can be told without running it. */
export interface Finding {
  hazard: HazardName
  severity: Severity
  /** The place, on one line, of at most 160 characters. Written by whoever wrote the code. */
  excerpt: string
  /** What it was found in, from inside: `python3 -c`, `sh -c`. */
  within?: string[]
}

export type CodeLanguage = 'shell' | 'python' | 'javascript' | 'typescript'

/** What is to be looked through. */
export type Inspected =
  /** `folder`: where it begins; the home without. */
  | { kind: CodeLanguage; text: string; folder?: string }
  | { kind: 'read' | 'write'; path: string }
  /** What was done before in the same place, in order: looked through only for what it has left there. */
  | { kind: 'left'; path: string; text: string }
  | { kind: 'ran'; text: string; folder?: string }

export function isSevererOrEqual(one: Severity, other: Severity): boolean {
  return severities.indexOf(one) >= severities.indexOf(other)
}

/** A sentence for people. */
export function explain({ hazard, excerpt, within }: Finding): string {
  return `${hazards[hazard][1]} (${hazard}${within ? `, in ${within.join(' in ')}` : ''}): ${excerpt}`
}
