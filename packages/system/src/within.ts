/** Waits for something no longer than it may take. */

/** Rejects when `waiting` has not settled within `ms` milliseconds; what it does later is nobody's concern. */
export async function within<T>(ms: number, waiting: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([waiting, late]);
  } finally {
    clearTimeout(timer);
  }
}
