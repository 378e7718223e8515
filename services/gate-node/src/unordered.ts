/** Answers a stream item by item, each as soon as it is ready, with a bound on how many are under way. */

/** `answer` must not reject. Ends when `source` has ended and every answer was given; stops reading when the consumer leaves. */
export async function* unordered<A, B>(
  source: AsyncIterable<A>,
  answer: (item: A) => Promise<B>,
  concurrencyMax: number,
): AsyncGenerator<B> {
  const ready: B[] = [];
  let running = 0;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  let wakeReader = Promise.withResolvers<void>();
  let wakeWriter = Promise.withResolvers<void>();
  const iterator = source[Symbol.asyncIterator]();

  async function pump(): Promise<void> {
    try {
      for (;;) {
        while (running + ready.length >= concurrencyMax && !ended) {
          wakeReader = Promise.withResolvers();
          await wakeReader.promise;
        }
        if (ended) return;
        const next = await iterator.next();
        if (next.done === true) return;
        running += 1;
        void answer(next.value).then((value) => {
          running -= 1;
          ready.push(value);
          wakeWriter.resolve();
        });
      }
    } catch (error) {
      failure = { error };
    } finally {
      ended = true;
      wakeWriter.resolve();
    }
  }

  const pumping = pump();
  try {
    for (;;) {
      const value = ready.shift();
      if (value !== undefined) {
        wakeReader.resolve();
        yield value;
      } else if (failure !== undefined) throw failure.error;
      else if (ended && running === 0) return;
      else {
        wakeWriter = Promise.withResolvers();
        if (ready.length === 0 && !(ended && running === 0) && failure === undefined) await wakeWriter.promise;
      }
    }
  } finally {
    ended = true;
    wakeReader.resolve();
    // A consumer that left must not leave the source open; the pump then ends by itself.
    void iterator.return?.();
    void pumping;
  }
}
