/** `pnpm bench:state`: measures what a gate keeps, limits on Redis and marks in memory, and holds both to their bars. */
import type { Bar } from "./bars.ts";
import { pinnedCores } from "./cores.ts";
import { type MarkRates, markBarsOf, measureMarks } from "./marks.ts";
import { measureStore, type StoreRates, storeBarsOf } from "./store.ts";

const STORE_TITLES: Record<keyof StoreRates, string> = {
  rawWindow: "bare sliding window, client as it comes",
  rawWindowTogether: "the same, writes of one turn together",
  rawWindowOnce: "and evaluation ids remembered",
  limited: "Kavach, one limit",
  twoLimits: "Kavach, two limits",
  limitedInSession: "Kavach, one limit in a session of the store",
};

function storeTable(rates: StoreRates): Record<string, Record<string, string>> {
  const rows = Object.entries(STORE_TITLES).map(([name, title]) => {
    const found = rates[name as keyof StoreRates];
    const row = {
      "calls/s": Math.round(found.callsPerSecond).toLocaleString("en"),
      "round trips": found.scriptCallsPerCall.toFixed(2),
      "script us": found.scriptUs.toFixed(1),
      "server CPU us": found.serverCpuUs.toFixed(1),
      "client CPU us": found.clientCpuUs.toFixed(1),
    };
    return [title, row] as const;
  });
  return Object.fromEntries(rows);
}

function markTable(rates: MarkRates): Record<string, Record<string, string>> {
  const rows = Object.entries(rates).map(([kind, found]) => {
    const row = {
      "heap and buffers MB": (found.heapBytes / 1e6).toFixed(1),
      "resident MB": (found.rssBytes / 1e6).toFixed(1),
      "insert ms, all": found.insertMs.toFixed(0),
      "longest ms": found.longestInsertMs.toFixed(2),
      "hits/s": Math.round(found.hitsPerSecond).toLocaleString("en"),
      "misses/s": Math.round(found.missesPerSecond).toLocaleString("en"),
    };
    return [`1,000,000 ${kind} marks`, row] as const;
  });
  return Object.fromEntries(rows);
}

function barRow({ name, found, atLeast, atMost, unit, met }: Bar): Record<string, string> {
  const wanted = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`;
  return { bar: name, found: `${found.toFixed(2)} ${unit}`, wanted, "": met ? "met" : "NOT MET" };
}

async function main(): Promise<void> {
  const cores = pinnedCores();
  const progress = (step: string) => void process.stderr.write(`${step}\n`);
  const marks = await measureMarks(cores, progress);
  const store = await measureStore(cores, progress);
  const bars = [...storeBarsOf(store), ...markBarsOf(marks)];
  console.table(storeTable(store));
  console.table(markTable(marks));
  console.table(bars.map(barRow));
  if (process.argv.includes("--check") && bars.some(({ met }) => !met)) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
