// What a person does with RESTORE.md: copies the commands of the newest point.

/** The first block of commands: the newest point's. */
export function commandsOf(guide: string): string {
  const block = /^### .*?^```sh\n(?<commands>.*?)^```$/ms.exec(guide)?.groups?.['commands'];
  if (block === undefined) throw new Error('RESTORE.md has no commands');
  return block;
}
