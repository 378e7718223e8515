/** The product's serving stack before a gate without a signer. */
import { GateService } from "@kavach/api";
import { HealthState, serviceOf, startServer } from "@kavach/serve";
import { gateService } from "../../../services/gate-node/src/gate-service.ts";
import { HOST, portArgument, sayListening } from "./listening.ts";
import { openUnsignedGate } from "./unsigned-gate.ts";

const { gate, world } = await openUnsignedGate(process.argv[3] ?? "");
const health = new HealthState();
await startServer({
  host: HOST,
  port: portArgument(),
  services: [serviceOf(GateService, gateService(gate, world))],
  hot: [GateService.method.evaluate],
  health,
  onInternalError: (error, method) => console.error(method, error),
});
health.setServing(true);
sayListening();
