// Runs the npm scripts named as arguments, each a run of jest, and ends with one line, `N passed, N failed`. A file with a
// failure is told and run once more by itself: beside many others a machine can be too slow for what its tests wait for.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const directory = mkdtempSync(join(tmpdir(), 'reports-'));
// Tests that did not even begin wrote no report.
const none = { testResults: [], broken: true };

function run(script, options) {
  const file = join(directory, 'report.json');
  rmSync(file, { force: true });
  const { status } = spawnSync('npm', ['run', '--silent', script, '--', '--json', `--outputFile=${file}`, ...options], {
    stdio: 'inherit',
  });
  const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : none;
  // A run that failed although no file did has failed all the same.
  return { ...report, broken: status !== 0 && !report.testResults.some(({ status }) => status === 'failed') };
}

function count(files, state) {
  return files.reduce((sum, file) => sum + file.assertionResults.filter(({ status }) => status === state).length, 0);
}

const total = { passed: 0, failed: 0, skipped: 0 };
for (const script of process.argv.slice(2)) {
  let { testResults: files, broken } = run(script, []);
  const failed = files.filter(({ status }) => status === 'failed').map(({ name }) => name);
  if (failed.length > 0) {
    console.log(`\nOnce more, by themselves, after a failure:\n${failed.join('\n')}\n`);
    const again = run(script, ['--maxWorkers', '1', '--runTestsByPath', ...failed]);
    files = [...files.filter(({ name }) => !failed.includes(name)), ...again.testResults];
    broken ||= again.broken;
  }
  total.passed += count(files, 'passed');
  total.skipped += count(files, 'pending');
  // A file that does not load has no tests to fail, and is a failure all the same.
  const unloaded = files.filter((file) => file.status === 'failed' && count([file], 'failed') === 0).length;
  total.failed += count(files, 'failed') + unloaded + (broken ? 1 : 0);
}
rmSync(directory, { recursive: true });
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exit(total.failed > 0 ? 1 : 0);
