// What the operator's configuration allows resources to name. Pure.

/**
 * Is the host one of the allowed ones: an exact name, below a `*.suffix`, or any under `*`. Case does not count. What
 * holds a colon is below no suffix: `evil:6362.example.com` must not come to mean another host to somebody else.
 */
export function isAllowedHost(host: string, allowedHosts: readonly string[]): boolean {
  const wanted = host.toLowerCase();
  return allowedHosts.some((entry) => {
    const allowed = entry.toLowerCase();
    return (
      allowed === '*' ||
      allowed === wanted ||
      (allowed.startsWith('*.') && !wanted.includes(':') && wanted.endsWith(allowed.slice(1)))
    );
  });
}

/**
 * Is the image one of the allowed ones. `*` stands for anything but a slash, `**` for anything, so `neo4j:*` does not let in
 * `neo4j:5000/evil`, an image of a registry called neo4j. Compared as written: nobody adds a default registry or tag.
 */
export function isAllowedImage(image: string, allowedImages: readonly string[]): boolean {
  return allowedImages.some((allowed) => patternOf(allowed).test(image));
}

function patternOf(glob: string): RegExp {
  const parts = glob
    .split(/(\*+)/)
    .map((part) => (part === '*' ? '[^/]*' : part.startsWith('**') ? '.*' : escape(part)));
  return new RegExp(`^${parts.join('')}$`);
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.|?+()[\]{}]/g, String.raw`\$&`);
}
