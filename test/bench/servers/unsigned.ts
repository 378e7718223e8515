/** The product's serving stack before a gate without a signer. */
import { Code, ConnectError } from "@connectrpc/connect";
import { GateService } from "@kavach/api";
import { HealthState, serviceOf, startServer } from "@kavach/serve";
import { openEvaluate } from "./evaluate.ts";
import { HOST, portArgument, sayListening } from "./listening.ts";

const evaluate = await openEvaluate(process.argv[3] ?? "");
const notMeasured = () => {
  throw new ConnectError("the benchmark asks for Evaluate alone", Code.Unimplemented);
};
const health = new HealthState();
await startServer({
  host: HOST,
  port: portArgument(),
  services: [
    serviceOf(GateService, { evaluate: notMeasured, evaluateBatch: notMeasured, evaluateStream: notMeasured }),
  ],
  hot: [{ method: GateService.method.evaluate, direct: (bytes, _context, headroom) => evaluate(bytes, headroom) }],
  health,
  onInternalError: (error, method) => console.error(method, error),
});
health.setServing(true);
sayListening();
