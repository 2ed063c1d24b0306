import type { Options } from 'yargs';
import type { Command, CommandSpec } from './command.ts';

/** What a shell's completion calls: `eval-ckpt --get-completions WORD…`, the last word being the one that is typed. */
const COMPLETE = '--get-completions';

const SHELLS = { bash: 'bash', zsh: 'zsh' } as const;

const functionName = (program: string): string => `_${program.replaceAll('-', '_')}`;

/** Candidates that begin with the word; files, where there is none. */
const SCRIPTS: Readonly<Record<keyof typeof SHELLS, (program: string) => string>> = {
  bash: (program) => `# ${program} completion: source <(${program} completion bash)
${functionName(program)}() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done < <(${program} ${COMPLETE} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -o bashdefault -F ${functionName(program)} ${program}
`,
  zsh: (program) => `#compdef ${program}
# ${program} completion: source <(${program} completion zsh)
${functionName(program)}() {
  local -a found
  found=("\${(@f)$(${program} ${COMPLETE} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[1]}" ]]; then compadd -- "\${found[@]}"; else _files; fi
}
compdef ${functionName(program)} ${program}
`,
};

/** The script that teaches a shell to complete a program: of the shell named, else of the one in use. */
export function completionScript(program: string, shell: string | undefined, inUse: string | undefined): string {
  const name = shell ?? (inUse?.endsWith('zsh') ? SHELLS.zsh : SHELLS.bash);
  return SCRIPTS[name === SHELLS.zsh ? SHELLS.zsh : SHELLS.bash](program);
}

const aliasesOf = ({ alias }: Options): readonly string[] =>
  alias === undefined ? [] : typeof alias === 'string' ? [alias] : alias;

/** The option that a word names, with its aliases. */
function optionOf(word: string, spec: CommandSpec): Options | undefined {
  const name = word.replace(/^--?/, '');
  return Object.entries(spec.options).find(
    ([option, options]) => option === name || aliasesOf(options).includes(name),
  )?.[1];
}

/**
 * What may follow: flags behind a dash, the values of an option that has few, subcommands as the first word.
 * Nothing means files.
 */
export function candidates(
  { subcommands }: Command,
  spec: CommandSpec,
  before: readonly string[],
  typed: string,
): string[] {
  const last = before.at(-1);
  const option = last?.startsWith('-') ? optionOf(last, spec) : undefined;
  const fitting = (words: readonly string[]): string[] => words.filter((word) => word.startsWith(typed));
  if (option && option.type !== 'boolean') return fitting((option.choices ?? []).map(String));
  if (typed.startsWith('-')) {
    const names = Object.entries(spec.options).flatMap(([name, options]) => [name, ...aliasesOf(options)]);
    return fitting([...names.filter((name) => name.length > 1).map((name) => `--${name}`), '--help', '--version']);
  }
  const first = before.length === 0 && (typed !== '' || Object.keys(spec.positionals).length === 0);
  return first ? fitting([...subcommands.map(({ name }) => name), 'completion']) : [];
}
