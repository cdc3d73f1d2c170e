import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlink } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { RunProgram } from '../agent/place.js';
import { runProgram } from '../agent/run-program.js';
import { type TrafficRequest, trafficProgram } from './traffic-program.js';

/** Answers to `NetworkSpace.ping`. */
export interface PingResult {
  sent: number;
  received: number;
  /** Round trips in milliseconds, of those that came back. */
  times: number[];
}

/** A network namespace that lives as long as this process: it is held by a `cat` on a pipe of ours. */
export class NetworkSpace {
  readonly pid: number;
  readonly #holder: ChildProcess;
  #program: ChildProcess | undefined;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #requests = 0;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
    this.pid = holder.pid!;
  }

  /** Makes a new namespace; needs to be root. */
  static async open(): Promise<NetworkSpace> {
    const holder = spawn('unshare', ['--net', '--', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] });
    await once(holder, 'spawn');
    const ours = await readlink('/proc/self/ns/net');
    for (let tries = 0; tries < 500; tries++) {
      if (holder.exitCode !== null) throw new Error(`unshare --net ended with ${holder.exitCode}: are you root?`);
      if ((await readlink(`/proc/${holder.pid}/ns/net`)) !== ours) return new NetworkSpace(holder);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error('unshare --net made no namespace within 2.5 s');
  }

  /** `net:[4026532008]`. */
  name(): Promise<string> {
    return readlink(`/proc/${this.pid}/ns/net`);
  }

  /** Runs a program in the namespace. */
  readonly run: RunProgram = (program, args, options) =>
    runProgram('nsenter', [`--net=/proc/${this.pid}/ns/net`, '--', program, ...args], options);

  /** Runs a program in the namespace, and throws when it fails. */
  async must(program: string, args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(program, args, { ...(input !== undefined && { input }) });
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Pings an address of either version. */
  async ping(address: string, options: { count?: number; interval?: number; wait?: number; size?: number } = {}) {
    const { count = 3, interval = 0.05, wait = 1, size = 56 } = options;
    const args = ['-n', '-c', count, '-i', interval, '-W', wait, '-s', size, address].map(String);
    const { stdout } = await this.run('ping', args, { timeoutMilliseconds: 120_000 });
    const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time));
    return { sent: count, received: times.length, times } satisfies PingResult;
  }

  /** Listens on all addresses. An `echo` sends back what it gets; a `sink` counts, and a TCP one answers at the end. */
  async listen(protocol: 'tcp' | 'udp', port: number, mode: 'echo' | 'sink' = 'echo'): Promise<void> {
    await this.#ask({ do: 'listen', protocol, port, mode });
  }

  /** What a listener of this namespace got; for TCP `packets` counts connections. */
  received(protocol: 'tcp' | 'udp', port: number): Promise<{ packets: number; bytes: number }> {
    return this.#ask({ do: 'received', protocol, port });
  }

  /** Sends single bytes over one TCP connection, each after the last came back. `error` is a code such as ECONNREFUSED. */
  tcpEcho(
    host: string,
    port: number,
    {
      count = 1,
      timeoutMilliseconds = 1_000,
      localPort,
    }: { count?: number; timeoutMilliseconds?: number; localPort?: number } = {},
  ): Promise<{ times: number[]; error?: string }> {
    return this.#ask({ do: 'tcpEcho', host, port, count, timeoutMilliseconds, ...(localPort && { localPort }) });
  }

  /** Sends numbered datagrams and waits for their echoes; `order` holds the numbers as they came back. */
  udpEcho(
    host: string,
    port: number,
    {
      count = 1,
      pause = 0,
      waitMilliseconds = 500,
    }: { count?: number; pause?: number; waitMilliseconds?: number } = {},
  ): Promise<{ times: number[]; order: number[]; failed: number }> {
    return this.#ask({ do: 'udpEcho', host, port, count, pause, waitMilliseconds });
  }

  /** Sends bytes to a TCP sink; the answer is measured by the receiver, from its first byte to its last. */
  tcpSend(
    host: string,
    port: number,
    bytes: number,
    timeoutMilliseconds = 60_000,
  ): Promise<{ bytes: number; milliseconds: number }> {
    return this.#ask({ do: 'tcpSend', host, port, bytes, timeoutMilliseconds });
  }

  /** Ends all that runs here; the namespace goes with the last of it. */
  async stop(): Promise<void> {
    for (const child of [this.#program, this.#holder]) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
  }

  #ask<T>(request: TrafficRequest): Promise<T> {
    this.#program ??= this.#start();
    const id = this.#requests++;
    const answered = new Promise<T>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#program.stdin?.write(`${JSON.stringify({ id, request })}\n`);
    return answered;
  }

  #start(): ChildProcess {
    const source = `(${trafficProgram.toString()})()`;
    const args = [`--net=/proc/${this.pid}/ns/net`, '--', process.execPath, '-e', source];
    const program = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: program.stdout! }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line) as { id: number; result: never; error?: string };
      if (error === undefined) this.#waiting.get(id)?.resolve(result);
      else this.#waiting.get(id)?.reject(new Error(error));
      this.#waiting.delete(id);
    });
    program.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the traffic program ended'));
    });
    return program;
  }
}
