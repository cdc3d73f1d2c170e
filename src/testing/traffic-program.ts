/** What the program in a namespace can be asked to do; see `trafficProgram`. */
export type TrafficRequest =
  | { do: 'listen'; protocol: 'tcp' | 'udp'; port: number; mode: 'echo' | 'sink' }
  | { do: 'received'; protocol: 'tcp' | 'udp'; port: number }
  | { do: 'tcpEcho'; host: string; port: number; count: number; localPort?: number; timeoutMilliseconds: number }
  | { do: 'udpEcho'; host: string; port: number; count: number; pause: number; waitMilliseconds: number }
  | { do: 'tcpSend'; host: string; port: number; bytes: number; timeoutMilliseconds: number };

/**
 * A program that makes traffic from inside of a namespace: reads one request a line on stdin, answers each with one line,
 * ends with stdin. Its source text runs in a process of its own, so that it may use nothing from outside of itself.
 */
export function trafficProgram(): void {
  const net = process.getBuiltinModule('node:net');
  const dgram = process.getBuiltinModule('node:dgram');
  const readline = process.getBuiltinModule('node:readline');
  const received = new Map<string, { packets: number; bytes: number }>();
  const milliseconds = () => performance.now();

  const listenTcp = (port: number, echo: boolean, seen: { packets: number; bytes: number }) =>
    new Promise((resolve, reject) => {
      const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        let bytes = 0;
        let first = 0;
        seen.packets++;
        socket.on('error', () => socket.destroy());
        socket.on('data', (data) => {
          first ||= milliseconds();
          bytes += data.length;
          seen.bytes += data.length;
          if (echo) socket.write(data);
        });
        socket.on('end', () => socket.end(echo ? '' : JSON.stringify({ bytes, milliseconds: milliseconds() - first })));
      });
      server.on('error', reject);
      server.listen(port, '::', () => resolve({}));
    });

  const listenUdp = (port: number, echo: boolean, seen: { packets: number; bytes: number }) =>
    new Promise((resolve, reject) => {
      const socket = dgram.createSocket({ type: 'udp6', recvBufferSize: 4 << 20 });
      socket.on('error', reject);
      socket.on('message', (data, from) => {
        seen.packets++;
        seen.bytes += data.length;
        if (echo) socket.send(data, from.port, from.address);
      });
      socket.bind(port, '::', () => resolve({}));
    });

  const tcpEcho = (request: Extract<TrafficRequest, { do: 'tcpEcho' }>) =>
    new Promise((resolve) => {
      const times: number[] = [];
      const socket = net.connect({
        host: request.host,
        port: request.port,
        localPort: request.localPort,
        noDelay: true,
      });
      let sent = 0;
      const done = (error?: string) => {
        clearTimeout(timer);
        socket.destroy();
        resolve({ times, ...(error && { error }) });
      };
      const next = () => {
        sent = milliseconds();
        socket.write('x');
      };
      const timer = setTimeout(() => done('timeout'), request.timeoutMilliseconds);
      socket.on('connect', next);
      socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
      socket.on('data', () => {
        times.push(milliseconds() - sent);
        if (times.length < request.count) next();
        else done();
      });
    });

  const udpEcho = async (request: Extract<TrafficRequest, { do: 'udpEcho' }>) => {
    const socket = dgram.createSocket({ type: request.host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 });
    const sent: number[] = [];
    const times: number[] = [];
    const order: number[] = [];
    let failed = 0;
    socket.on('error', () => failed++);
    socket.on('message', (data) => {
      const index = Number(data.toString());
      order.push(index);
      times.push(milliseconds() - (sent[index] ?? 0));
    });
    for (let index = 0; index < request.count; index++) {
      sent[index] = milliseconds();
      await new Promise<void>((resolve) =>
        socket.send(String(index), request.port, request.host, (error) => {
          if (error) failed++;
          resolve();
        }),
      );
      if (request.pause > 0) await new Promise((resolve) => setTimeout(resolve, request.pause));
    }
    const last = milliseconds() + request.waitMilliseconds;
    while (milliseconds() < last && order.length < request.count)
      await new Promise((resolve) => setTimeout(resolve, 5));
    socket.close();
    return { times, order, failed };
  };

  const tcpSend = (request: Extract<TrafficRequest, { do: 'tcpSend' }>) =>
    new Promise((resolve, reject) => {
      const socket = net.connect({ host: request.host, port: request.port, allowHalfOpen: true });
      const chunk = Buffer.alloc(64 << 10);
      let left = request.bytes;
      let answer = '';
      const timer = setTimeout(() => reject(new Error('timeout')), request.timeoutMilliseconds);
      const write = () => {
        while (left > 0) {
          const part = chunk.subarray(0, Math.min(left, chunk.length));
          left -= part.length;
          if (!socket.write(part)) return;
        }
        socket.end();
      };
      socket.on('connect', write);
      socket.on('drain', write);
      socket.on('error', reject);
      socket.on('data', (data) => {
        answer += data.toString();
      });
      socket.on('end', () => {
        clearTimeout(timer);
        resolve(JSON.parse(answer));
      });
    });

  const listen = (request: Extract<TrafficRequest, { do: 'listen' }>) => {
    const seen = { packets: 0, bytes: 0 };
    received.set(`${request.protocol}/${request.port}`, seen);
    return (request.protocol === 'tcp' ? listenTcp : listenUdp)(request.port, request.mode === 'echo', seen);
  };

  const answer = async (request: TrafficRequest): Promise<unknown> => {
    if (request.do === 'listen') return listen(request);
    if (request.do === 'received') return received.get(`${request.protocol}/${request.port}`);
    if (request.do === 'tcpEcho') return tcpEcho(request);
    if (request.do === 'udpEcho') return udpEcho(request);
    return tcpSend(request);
  };

  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const { id, request } = JSON.parse(line) as { id: number; request: TrafficRequest };
    answer(request).then(
      (result) => process.stdout.write(`${JSON.stringify({ id, result })}\n`),
      (error: Error) => process.stdout.write(`${JSON.stringify({ id, error: error.message })}\n`),
    );
  });
  lines.on('close', () => process.exit(0));
}
