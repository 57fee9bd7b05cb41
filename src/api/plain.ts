// Foreign text as people may read it: what a tool, a server or another part of the cluster said, on its way into status.

/** More of a text says nothing new in a message of 1 KiB. Characters. */
const mostCharacters = 4096;

const redacted = '[redacted]';

/**
 * Sequences that move cursors, set colours and titles, or ask a terminal for something (ECMA-48): one with parameters, one
 * with text up to its end or the next one, or a single letter.
 */
const escapes = new RegExp(
  [
    String.raw`(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?`,
    String.raw`(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c\r\n]*(?:\u0007|\u001b\\|\u009c)?`,
    String.raw`\u001b[ -/]*[0-~]?`,
  ].join('|'),
  'gu',
);

/** The text as it was meant, without what it says to a terminal. Of any length. */
export function withoutEscapes(text: string): string {
  return text.replaceAll(escapes, '');
}

/** What is not seen, and changes how the rest is: bidirectional overrides and zero widths among them (all of Cf). */
const unseen = /\p{Cf}/gu;

/** Control characters and what ends a line. */
const breaks = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;

/**
 * What looks like a credential, and what is left of it. Nobody hands the tool any, so whatever it prints is somebody's
 * mistake. Rather too much is hidden than too little: the whole text is in runs/<run>.log.gz, for who may read the volume.
 */
const credentials: readonly (readonly [mark: RegExp, left: string])[] = [
  [
    /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|$)/gsu,
    redacted,
  ],
  // neo4j://user:password@host, and the same without a scheme
  [/:\/\/[^\s"'<>]{1,256}@/gu, `://${redacted}@`],
  [/(?<![\w.-])[\w.-]{1,64}:[^\s@:/]{1,128}@(?=[\w[])/gu, `${redacted}@`],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/giu, `$1 ${redacted}`],
  [
    /((?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|authorization|(?:api|access|private)[-_.]?key)["']?\s{0,4}[=:]\s{0,4})(?:"[^"]*"?|'[^']*'?|[^\s,;]+)/giu,
    `$1${redacted}`,
  ],
  [/(--?[a-z-]{0,40}(?:password|passphrase|secret|token)\s{1,4})[^\s-]\S*/giu, `$1${redacted}`],
  // tokens that say what they are: JWT, AWS, GitHub, Slack, Vault
  [/\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]+)?/gu, redacted],
  [/\b(?:AKIA|ASIA|gh[pousr]_|github_pat_|xox[abeoprs]-|hv[sbr]\.)[\w-]{10,}/gu, redacted],
  // a line of a key without the lines around it; a digest is of one case
  [/(?<![\w+/])(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])[A-Za-z0-9+/]{60,}={0,2}/gu, redacted],
  [/(?<![\w+/])[A-Za-z0-9+/]{16,}={1,2}(?!\S)/gu, redacted],
];

/**
 * One line of printable text without credentials.
 * @returns at most 4,096 characters: where a text is longer, its beginning
 */
export function plain(text: string): string {
  const line = withoutEscapes(text.slice(0, mostCharacters))
    .toWellFormed()
    .replaceAll(unseen, '')
    .replaceAll(breaks, ' ')
    .trim();
  return credentials.reduce((kept, [mark, left]) => kept.replaceAll(mark, left), line);
}
