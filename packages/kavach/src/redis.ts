/** What several processes share through Redis. A door of its own, so that nobody loads a client of Redis who needs none. */
export * from "@kavach/store-redis";
