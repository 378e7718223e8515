/** The ceiling: a `node:http2` server that reads each call and answers with the same bytes, kept in a file. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http2";
import { HOST, portArgument, sayListening } from "./listening.ts";

const frame = readFileSync(process.argv[3] ?? "");
const head = { ":status": 200, "content-type": "application/grpc" };
const trailers = { "grpc-status": "0" };

const server = createServer();
server.on("stream", (stream) => {
  stream.on("error", () => stream.destroy());
  stream.resume();
  stream.on("end", () => {
    // The load ends in the middle of calls; a throw here would end the server.
    if (stream.destroyed) return;
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(frame);
  });
});
server.listen(portArgument(), HOST, sayListening);
