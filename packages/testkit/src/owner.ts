/** Marks containers and networks with the process that made them, so that a later run can tell leftovers from a neighbour's. */
export const OWNER_LABEL = "kavach.test.owner";

const NETWORK = /^kavach-test-(\d+)-\d+$/;

let networks = 0;

export function ownerLabels(): Record<string, string> {
  return { [OWNER_LABEL]: String(process.pid) };
}

/** A name no other living process and no earlier call gives. */
export function ownedNetworkName(): string {
  networks += 1;
  return `kavach-test-${process.pid}-${networks}`;
}

export function ownerOfNetwork(name: string): string | undefined {
  return NETWORK.exec(name)?.[1];
}

/** True where the number is of a process that is no longer there. */
export function isOwnerGone(owner: string): boolean {
  const pid = Number(owner);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
