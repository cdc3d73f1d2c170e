import { describe, expect, test } from '@jest/globals';
import { runProgram } from './run-program.js';

const node = (code: string, options = {}) => runProgram(process.execPath, ['-e', code], options);

describe('runProgram', () => {
  test('passes arguments and input on as they are, without a shell', async () => {
    const words = ['$HOME', '; rm -rf x', '"', ''];
    const output = await runProgram('printf', ['%s|', ...words]);
    expect(output).toEqual({ code: 0, stdout: '$HOME|; rm -rf x|"||', stderr: '' });
    expect(await runProgram('cat', [], { input: 'äöü\n' })).toMatchObject({ code: 0, stdout: 'äöü\n' });
  });

  test('shows a program nothing of our environment', async () => {
    process.env.SQUALL_SECRET = 'secret';
    const { stdout } = await runProgram('env', []);
    delete process.env.SQUALL_SECRET;
    expect(stdout.split('\n').map((line) => line.split('=')[0])).toEqual(['PATH', 'LC_ALL', '']);
  });

  test('resolves with the exit code of a program that fails', async () => {
    expect(await node('console.error("no"); process.exit(3)')).toEqual({ code: 3, stdout: '', stderr: 'no\n' });
  });

  test('survives a program that does not read its input', async () => {
    expect(await runProgram('true', [], { input: 'x'.repeat(3_000_000) })).toMatchObject({ code: 0 });
  });

  test('kills a program that takes too long, and says which', async () => {
    const took = runProgram('sleep', ['60'], { timeoutMilliseconds: 100 });
    await expect(took).rejects.toThrow('sleep did not end within 0.1 s and was killed');
  });

  test('does not wait for what a program has left running', async () => {
    const leave = "require('child_process').spawn('sleep', ['3'], { stdio: 'inherit', detached: true }); ";
    const took = node(`${leave}setTimeout(() => {}, 60000)`, { timeoutMilliseconds: 300 });
    await expect(took).rejects.toThrow(/did not end within 0.3 s/);
  });

  test('kills a program that writes more than 4 MiB', async () => {
    await expect(runProgram('yes', [])).rejects.toThrow('yes wrote more than 4 MiB and was killed');
    const { stdout } = await runProgram('head', ['-c', String(4 * 1024 * 1024), '/dev/zero']);
    expect(stdout.length).toBe(4 * 1024 * 1024);
  });

  test('says that someone else killed a program', async () => {
    await expect(node('process.kill(process.pid, "SIGTERM")')).rejects.toThrow(/was killed by SIGTERM/);
  });

  test('says that a program is not installed', async () => {
    await expect(runProgram('squall-no-such-program', [])).rejects.toThrow('squall-no-such-program is not installed');
  });

  test('says that a program cannot be run', async () => {
    await expect(runProgram('/etc/passwd', [])).rejects.toThrow(/^\/etc\/passwd can't be run: .*EACCES/);
    await expect(runProgram('true', ['\0'])).rejects.toThrow(/null bytes/);
  });
});
