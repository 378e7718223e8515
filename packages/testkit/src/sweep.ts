/** Global set-up of the suites that start containers: removes what a killed run of ours left behind. */
import { getContainerRuntimeClient } from "testcontainers";
import { backendFromEnvironment } from "./backend.ts";
import { isOwnerGone, OWNER_LABEL, ownerOfNetwork } from "./owner.ts";

export default async function sweep(): Promise<void> {
  if (backendFromEnvironment() !== "containers") return;
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const label = ["org.testcontainers=true"];
  for (const { Id, Labels } of await dockerode.listContainers({ all: true, filters: { label } })) {
    const owner = Labels[OWNER_LABEL];
    if (owner !== undefined && isOwnerGone(owner)) await dockerode.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id, Name } of await dockerode.listNetworks({ filters: { label } })) {
    const owner = ownerOfNetwork(Name);
    if (owner !== undefined && isOwnerGone(owner)) await dockerode.getNetwork(Id).remove();
  }
}
