// docs/plan.md: what `neo4j-backup plan` prints for the page's own resource, made by the code that prints it.
import { cliConfig } from '../src/config.ts';
import { planFile } from '../src/cli/plan.ts';
import { printReport } from '../src/cli/print.ts';

const resource = /^```yaml\n([\s\S]*?)^```/m;
const example = /(<!-- plan: neo4j-backup (.*) -->\n)[\s\S]*?(<!-- end of plan -->)/g;

/** The page with what is between its markers replaced. @throws Error when it lacks the resource, a marker, or is wrong */
export function planPage(page: string): string {
  const [, yaml] = resource.exec(page) ?? [];
  if (yaml === undefined || !page.match(example))
    throw new Error('docs/plan.md lacks its resource, or a marker');
  return page.replaceAll(example, (_, begin: string, args: string, end: string) => {
    const command = `$ npx neo4j-backup ${args}`;
    return `${begin}\n\`\`\`\n${command}\n${printed(yaml, args.split(' '))}\`\`\`\n\n${end}`;
  });
}

function printed(yaml: string, argv: readonly string[]): string {
  const config = cliConfig(argv);
  if (config?.from === undefined) throw new Error('an example of docs/plan.md must say --from');
  const { from, days, sizeBytes, growthBytes = 0 } = config;
  const sizes = sizeBytes === undefined ? undefined : { fullBytes: sizeBytes, growthBytes };
  const answer = planFile(yaml, { from, days, sizes });
  if (answer.kind === 'wrong') throw new Error(answer.problems.join('\n'));
  return printReport(answer.report);
}
