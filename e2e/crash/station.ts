import { type ChildProcess, fork } from 'node:child_process';
import { type Bundled, bundled } from '../../src/testing/bundled.js';
import type { Answers } from './station-program.js';

/** One question. */
export interface StationRequest {
  id: number;
  what: keyof Answers;
  args: string[];
}

interface Waiting {
  answered(result: never): void;
  failed(error: Error): void;
}

/** Where everything is measured: a process that has nothing else to do. */
export class Station {
  readonly #waiting = new Map<number, Waiting>();
  readonly #child: ChildProcess;
  #requests = 0;

  private constructor(
    private readonly program: Bundled,
    /** Its process. */
    child: ChildProcess,
  ) {
    this.#child = child;
    child.on('message', ({ id, result, error }: { id: number; result: never; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.answered(result);
      else waiting?.failed(new Error(error));
    });
    child.on('exit', () => {
      for (const { failed } of this.#waiting.values()) failed(new Error('the station has ended'));
    });
  }

  static async open(): Promise<Station> {
    const program = await bundled('../../e2e/crash/station-program.ts');
    return new Station(program, fork(program.file, { execArgv: [] }));
  }

  /** Asks something; resolves with the answer. */
  ask<What extends keyof Answers>(what: What, ...args: Parameters<Answers[What]>): ReturnType<Answers[What]> {
    this.#requests += 1;
    const request = { id: this.#requests, what, args };
    return new Promise((answered, failed) => {
      this.#waiting.set(request.id, { answered, failed });
      this.#child.send(request, (error) => error && failed(error));
    }) as ReturnType<Answers[What]>;
  }

  close(): void {
    this.#child.disconnect();
    this.program.remove();
  }
}
