// Versions of Neo4j, as far as they decide what a tool understands. Pure.

/** Whether a version is another one or newer: `atLeast('2025.06.1', 5, 24)` is true, as calendar versions follow 5. */
export function atLeast(version: string, major: number, minor: number): boolean {
  const [ours = 0, ourMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return ours > major || (ours === major && ourMinor >= minor);
}
