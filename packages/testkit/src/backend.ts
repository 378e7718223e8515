/** What a cluster runs on; chosen once by `npm test` and read here. */
export type Backend = "containers" | "processes";

/** Processes where a suite is run by hand without saying. Throws for another word. */
export function backendFromEnvironment(): Backend {
  const word = process.env.KAVACH_TEST_BACKEND ?? "processes";
  if (word !== "containers" && word !== "processes") {
    throw new Error(`KAVACH_TEST_BACKEND=${word}: must be containers or processes`);
  }
  return word;
}

/** The image of both services that `npm test` built. */
export function imageFromEnvironment(): string {
  return process.env.KAVACH_TEST_IMAGE ?? "kavach:test";
}
