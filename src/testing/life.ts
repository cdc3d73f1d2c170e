import { systemTiming, type Timing } from '../kubernetes/timing.js';
import type { RequestOptions, Transport, WatchOptions } from '../kubernetes/transport.js';

/** An answer, or a stream of them, that never comes. */
function nothing(): Promise<never> & AsyncIterable<never> {
  const never = new Promise<never>(() => {});
  return Object.assign(never, { [Symbol.asyncIterator]: () => ({ next: () => never }) });
}

/** Ends the life of an agent: whatever it calls from then on never answers. */
export class Life {
  isOver = false;
  calls = 0;
  /** Dies right before, or right after, the call of this number is carried out. */
  end: { at: number; when: 'before' | 'after' } | undefined;
  onEnd = () => {};
  readonly #end = new AbortController();

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Timers that end with it. */
  get timing(): Timing {
    return {
      now: systemTiming.now,
      schedule: (milliseconds, callback) => {
        if (this.isOver) return () => {};
        const cancel = systemTiming.schedule(milliseconds, callback);
        this.signal.addEventListener('abort', cancel);
        return cancel;
      },
    };
  }

  /** The same object, whose methods belong to this life. */
  of<T extends object>(object: T): T {
    return new Proxy(object, {
      get: (target, property) => {
        const value = Reflect.get(target, property, target) as unknown;
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => this.#call(() => Reflect.apply(value, target, args), args);
      },
    });
  }

  #call(work: () => unknown, args: readonly unknown[]): unknown {
    if (this.isOver) return nothing();
    const { path = '' } = (args[0] ?? {}) as { path?: string };
    // What is done by the clock would make a case another one each time.
    const counts = !path.includes('/leases') && !path.includes('/events');
    if (counts) this.calls += 1;
    const dies = counts && this.end?.at === this.calls;
    if (dies && this.end?.when === 'before') {
      this.over();
      return nothing();
    }
    const result = work();
    if (!(result instanceof Promise)) return result;
    return result.then(
      (value) => (this.#survives(dies) ? value : nothing()),
      (error: unknown) => (this.#survives(dies) ? Promise.reject(error) : nothing()),
    );
  }

  #survives(dies: boolean): boolean {
    if (dies) this.over();
    return !this.isOver;
  }

  over(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#end.abort();
    this.onEnd();
  }
}

/** The same way to an API server, on which nothing is tried again after the end of a life. */
export function endingWith({ signal }: Life, transport: Transport): Transport {
  const until = (given?: AbortSignal) => (given ? AbortSignal.any([signal, given]) : signal);
  return Object.assign(Object.create(transport) as Transport, {
    request: (options: RequestOptions) => transport.request({ ...options, signal: until(options.signal) }),
    watch: (options: WatchOptions) => transport.watch({ ...options, signal: until(options.signal) }),
  });
}
