/** A template that the platform builds by itself, for everybody. */
export interface PlatformTemplate {
  name: string
  description: string
  /** Debian packages; what they need comes with them. */
  packages: string[]
  /** Built when somebody asks for it, never before: it is large, and few need it. */
  onDemand?: true
}

const tools = [
  ...['apt', 'attr', 'bash', 'ca-certificates', 'curl', 'debian-archive-keyring', 'git', 'iproute2', 'less', 'locales'],
  ...['ncurses-term', 'nodejs', 'openssh-client', 'passwd', 'procps', 'python-is-python3', 'python3', 'python3-pip'],
  ...['python3-venv', 'sudo', 'unzip', 'xz-utils'],
]

const science = [
  ...['python3-ipython', 'python3-matplotlib', 'python3-numpy', 'python3-pandas', 'python3-pil', 'python3-requests'],
  ...['python3-scipy', 'fonts-dejavu-core'],
]

const browser = ['chromium', 'fonts-dejavu-core', 'fonts-liberation', 'fonts-noto-color-emoji', 'fonts-wqy-zenhei']

/** Built one after the other, in this order. */
export const platformTemplates: readonly PlatformTemplate[] = [
  {
    name: 'debian',
    description: 'A Debian of its own: python3, pip, node, git, curl. What packages write stays in the sandbox.',
    packages: tools,
  },
  {
    name: 'code-interpreter',
    description: 'As `debian`, with numpy, pandas, matplotlib, scipy, Pillow and IPython.',
    packages: [...tools, ...science],
  },
  {
    name: 'code-interpreter-full',
    description: 'As `code-interpreter`, with R and Java. Built when it is asked for.',
    packages: [...tools, ...science, 'default-jdk-headless', 'r-base-core'],
    onDemand: true,
  },
  {
    name: 'browser',
    description: 'As `debian`, with Chromium and fonts for most scripts. Built when it is asked for.',
    packages: [...tools, ...browser],
    onDemand: true,
  },
]

/** Other names of them. */
export const platformAliases: Readonly<Record<string, string>> = { 'code-interpreter-v1': 'code-interpreter' }

export function isPlatformTemplate(name: string): boolean {
  return name === 'base' || platformTemplates.some((template) => template.name === name) || name in platformAliases
}
