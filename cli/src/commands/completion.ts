import { Argument, type Command } from 'commander'
import { placesOf, valueOptionsOf } from '../completion/places.ts'
import { scripts } from '../completion/scripts.ts'
import { text } from '../messages.ts'

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description(text.completion)
    .addArgument(new Argument('<shell>', text.argumentShell).choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', `\n${text.completionHelp}`)
    .action((shell: keyof typeof scripts) => {
      process.stdout.write(scripts[shell](placesOf(program), valueOptionsOf(program)))
    })
}
