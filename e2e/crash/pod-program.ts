/** Both the datagrams and the connections that a target of the suite takes. */
export const PORT = 8080;

/**
 * What a target runs: it answers datagrams with themselves; or with the outcome of a connection, when one asks for that;
 * takes connections and says something over them; and keeps a process, whose number of lives stands in each answer.
 */
export const podProgram = `
const { spawn } = require('node:child_process');
const net = require('node:net');
let lives = 0;
const work = () => spawn('sleep', ['86400'], { stdio: 'ignore' }).on('exit', work, lives++);
work();
net.createServer((socket) => socket.on('error', () => {}).end('hello')).listen(${PORT}, '::');
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (data, { address, port }) => {
  const [nonce, peer] = data.toString('latin1', 0, 80).split(' ');
  const answer = (text) => socket.send(Buffer.from((nonce + ' ' + text + ' ').padEnd(data.length)), port, address);
  if (peer === '-') return answer(lives);
  const dialled = net.connect({ host: peer, port: ${PORT} });
  dialled.once('data', () => answer('connected')).once('error', () => answer('refused'));
});
socket.bind(${PORT});
`;
