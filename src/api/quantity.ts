// Kubernetes' quantities, such as 500m or 20Gi. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity

export const quantityPattern = /^[0-9]+([.][0-9]+)?([KMGTPE]i|[kMGTPEm])?$/;

/** What a unit stands for. */
const units: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  ...Object.fromEntries(['k', 'M', 'G', 'T', 'P', 'E'].map((unit, i) => [unit, 1000 ** (i + 1)])),
  ...Object.fromEntries(['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((unit, i) => [unit, 1024 ** (i + 1)])),
};

/** The number that a quantity stands for, once the pattern has let it through. */
export function numberOf(quantity: string | number): number {
  const [, digits = '0', unit = ''] = /^([0-9.]+)([A-Za-z]*)$/.exec(String(quantity)) ?? [];
  return Number(digits) * (units[unit] ?? 1);
}
