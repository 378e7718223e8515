/** The numbers that every adapter of the store shares, so that all of them answer alike. */

export const STORE_BOUNDS = Object.freeze({
  /** A log keeps this many of its newest entries: enough to be exact for every limit up to as many. */
  logEntriesMax: 128,
  /** A limit above that is counted in this many parts of its window. */
  windowBuckets: 64,
  /** Windows with buckets in one log; of more, the shortest goes, and is counted again from the longer ones. */
  bucketWindowsMax: 16,
  /** A log outlives its longest window by this much. */
  logGraceMs: 1000,
});
