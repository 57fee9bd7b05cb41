// docs/metrics.md: the table of all metrics, made from what the operator would serve.
import { Metrics } from '../src/telemetry/metrics.ts';

/** The page with the lines between its two markers replaced. @throws Error when it lacks a marker */
export function metricsPage(page: string): string {
  const region = /(<!-- metrics: .*-->\n)[\s\S]*?(<!-- end of metrics -->)/;
  if (!region.test(page)) throw new Error('docs/metrics.md lacks the markers of the table');
  return page.replace(region, (_, begin: string, end: string) => `${begin}\n${table()}\n\n${end}`);
}

function table(): string {
  const rows = new Metrics('').rows().map(({ name, type, labels, help }) => {
    const words = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${words} | ${help.replaceAll('<', '\\<')} |`;
  });
  return ['| name | type | labels | what it says |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
