// The identity of a store as one word, the same in status, manifests and messages.

/** @param randomId as the engine prints it, signed. @returns creation time (milliseconds) and random id, in hexadecimal */
export function formatStoreID({
  creationTime,
  randomId,
}: {
  readonly creationTime: bigint;
  readonly randomId: bigint;
}): string {
  return `${creationTime.toString(16)}-${BigInt.asUintN(64, randomId).toString(16)}`;
}
