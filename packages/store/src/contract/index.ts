/** The suites that every adapter of the two ports passes. They use vitest, and only tests import them. */
export { type LogUnderTest, revocationLogContract } from "./revocation-log-contract.ts";
export { type StoreUnderTest, storeContract } from "./store-contract.ts";
