import { basename } from 'node:path';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { exitCodes, type Io, UsageError } from './io.js';
import type { SidecarCommandOptions } from './sidecar.js';
import { version } from './version.js';

// Each verb's code is loaded when it is called: `--version` and `validate` need not wait for a Kubernetes client.

/** The whole command line; `run` gets the exit code of the verb that was called. */
export function createProgram(io: Io, run: (code: Promise<number>) => void): Command {
  const name = basename(process.argv[1] ?? '').startsWith('kubectl-') ? 'kubectl squall' : 'squall';
  const program = new Command(name)
    .description('Chaos engineering for Kubernetes that always puts things back and never lies')
    .version(version, '--version', 'print the version')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => void io.stdout.write(text), writeErr: (text) => void io.stderr.write(text) })
    .showHelpAfterError('(add --help for usage)')
    .exitOverride()
    .option('--kubeconfig <file>', 'path of the kubeconfig to use')
    .option('--context <name>', 'context of the kubeconfig to use')
    .option('-n, --namespace <name>', 'namespace to work in')
    .option('--system-namespace <name>', "Squall's own namespace (default: squall-system)")
    .addHelpText(
      'after',
      '\nExit codes: 0 passed, 1 failed, 2 usage error or invalid manifest, 3 inconclusive, 4 aborted, 5 error.',
    );
  addManifestVerbs(program, io, run);
  addPlanVerbs(program, io, run);
  addRunVerbs(program, io, run);
  addInstallVerbs(program, io, run);
  addServerVerbs(program, io, run);
  return program;
}

type Run = (code: Promise<number>) => void;

function addManifestVerbs(program: Command, io: Io, run: Run): void {
  program
    .command('validate')
    .description('check manifests without a cluster; every problem as file:line:column: field: what was expected')
    .argument('<file|dir...>', 'YAML or JSON files, folders, or - for standard input')
    .addOption(new Option('-o, --output <format>', 'print the problems as JSON').choices(['json']))
    .action((paths: string[], options) =>
      run(import('./validate.js').then(({ validateCommand }) => validateCommand(paths, options, io))),
    );
}

function addPlanVerbs(program: Command, io: Io, run: Run): void {
  program
    .command('plan')
    .description(
      'say what experiments would do, and touch nothing: targets, pods lost at worst, rights that are missing',
    )
    .argument('<file|dir...>', 'manifests of Experiments or ExperimentRuns, or - for standard input')
    .addOption(
      new Option('-o, --output <format>', 'print more, or in another form').choices(['wide', 'json', 'markdown']),
    )
    .option('--snapshot <file>', 'plan for a cluster as `squall snapshot` has written it, or - for standard input')
    .option(
      '--seed <number>',
      'draw the targets that a run with this seed would draw',
      wholeNumber(0, Number.MAX_SAFE_INTEGER),
    )
    .action((paths: string[], _options, command: Command) =>
      run(import('./plan/command.js').then(({ planCommand }) => planCommand(paths, command.optsWithGlobals(), io))),
    );
  program
    .command('snapshot')
    .description('print what plans are made from as YAML, for `squall plan --snapshot`; no Secrets, no ConfigMaps')
    .option('-A, --all-namespaces', 'all namespaces, as without -n')
    .action((_options, command: Command) =>
      run(import('./snapshot.js').then(({ snapshotCommand }) => snapshotCommand(command.optsWithGlobals(), io))),
    );
}

function addRunVerbs(program: Command, io: Io, run: Run): void {
  program
    .command('run')
    .description('run experiments one after another and wait for their verdicts')
    .argument(
      '[file|dir|name...]',
      'manifests of Experiments or ExperimentRuns, or names of Experiments in the cluster',
    )
    .addOption(
      new Option('-o, --output <format>', 'print the finished runs instead of a table').choices(['json', 'yaml']),
    )
    .option('--junit <file>', 'write a JUnit report')
    .option('-l, --selector <labels>', 'run the Experiments in the cluster with these labels')
    .option('-A, --all-namespaces', 'run Experiments of all namespaces')
    .option(
      '--seed <number>',
      'draw the same targets as a run that recorded this seed',
      wholeNumber(0, Number.MAX_SAFE_INTEGER),
    )
    .option('--sandbox', 'run in a throw-away embedded cluster with its own controller')
    .option('--with <file|dir>', 'with --sandbox: manifests to apply and await first; may be repeated', collect)
    .option('--nodes <number>', 'with --sandbox: how many nodes', nodes, 2)
    .addOption(isolation('with --sandbox: '))
    .action((given: string[], _options, command: Command) =>
      run(import('./run.js').then(({ runCommand }) => runCommand(given, command.optsWithGlobals(), io))),
    );
  program
    .command('abort')
    .description('end a run: its faults are taken back and its verdict is Aborted')
    .argument('<run>', 'name of an ExperimentRun')
    .option('--reason <text>', 'why, for the record', 'aborted on the command line')
    .option('--no-wait', 'do not wait until everything is taken back')
    .action((name: string, _options, command: Command) =>
      run(import('./abort.js').then(({ abortCommand }) => abortCommand(name, command.optsWithGlobals(), io))),
    );
  program
    .command('halt')
    .description('stop every run, take every fault back, and let none start until `resume`')
    .requiredOption('--reason <text>', 'why, for all who see it')
    .action((_options, command: Command) =>
      run(import('./halt.js').then(({ haltCommand }) => haltCommand(command.optsWithGlobals(), io))),
    );
  program
    .command('resume')
    .description('take back what `halt` did')
    .action((_options, command: Command) =>
      run(import('./halt.js').then(({ resumeCommand }) => resumeCommand(command.optsWithGlobals(), io))),
    );
}

function addInstallVerbs(program: Command, io: Io, run: Run): void {
  program
    .command('install')
    .description('install Squall in the cluster, or bring it up to date: controller, node agents, kinds, roles')
    .option('--print', 'print the manifests instead, for `kubectl apply -f -` or Git')
    .option('--image <image>', 'image built from the Dockerfile (default: squall:<version>)')
    .addOption(
      new Option('--pull-policy <policy>', 'when nodes pull the image')
        .choices(['IfNotPresent', 'Always', 'Never'])
        .default('IfNotPresent'),
    )
    .option('--pull-secret <name>', 'Secret to pull the image with; may be repeated', collect, [])
    .option('--no-agents', 'no agents on the nodes: only faults through the API server or a sidecar work')
    .option('--replicas <number>', 'controllers, of which one acts', wholeNumber(1, 9), 2)
    .option('--no-wait', 'do not wait until it runs')
    .action((_options, command: Command) =>
      run(import('./install/command.js').then(({ installCommand }) => installCommand(command.optsWithGlobals(), io))),
    );
  program
    .command('uninstall')
    .description('halt every run, wait until every fault is taken back, and then remove Squall from the cluster')
    .option('--delete-data', 'also delete all experiments, runs and policies')
    .option('--force', 'go on though it is not proven that every fault is gone')
    .action((_options, command: Command) =>
      run(
        import('./install/uninstall.js').then(({ uninstallCommand }) =>
          uninstallCommand(command.optsWithGlobals(), io),
        ),
      ),
    );
}

function addServerVerbs(program: Command, io: Io, run: Run): void {
  program
    .command('controller')
    .description('carry out runs; stays in the foreground')
    .option('--image <name>', 'the image that Squall runs from, for sidecars (default: $SQUALL_IMAGE)')
    .option('--debug', 'log more')
    .action((_options, command: Command) =>
      run(import('./controller.js').then(({ controllerCommand }) => controllerCommand(command.optsWithGlobals(), io))),
    );
  program
    .command('agent')
    .description('carry out faults on the pods of one node, as root on Linux; stays in the foreground')
    .option('--node <name>', 'the node it runs on (default: $NODE_NAME)')
    .option(
      '--server <url>',
      'API server that asks for no credentials, such as that of a sandbox (default: that of its pod)',
    )
    .option('--state <dir>', 'folder on the node for undo records', '/var/lib/squall')
    .option('--debug', 'log more')
    .action((_options, command: Command) =>
      run(import('./agent.js').then(({ agentCommand }) => agentCommand(command.optsWithGlobals()))),
    );
  program
    .command('sidecar')
    .description('carry out one fault inside of a pod; the controller starts it there as an ephemeral container')
    .addArgument(new Argument('<what>', 'put it on for its time, or take it back').choices(['hold', 'revert']))
    .requiredOption('--fault <order>', 'the fault, as the controller writes it')
    .option('--alone', 'with revert: nobody is left who could put it back')
    .action((what: 'hold' | 'revert', options: SidecarCommandOptions) =>
      run(import('./sidecar.js').then(({ sidecarCommand }) => sidecarCommand(what, options, io))),
    );
  program
    .command('sandbox')
    .description('start an embedded cluster of real processes; stays in the foreground')
    .option('--nodes <number>', 'how many nodes; they are named n1, n2, …', nodes, 2)
    .option('--port <number>', 'port of the API server (default: any free one)', wholeNumber(1, 65_535))
    .addOption(isolation(''))
    .option('--controller', 'run a Squall controller in it, and agents where pods have namespaces')
    .action((_options, command: Command) =>
      run(import('./sandbox.js').then(({ sandboxCommand }) => sandboxCommand(command.optsWithGlobals(), io))),
    );
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d{1,16}$/.test(text) || number < least || number > most)
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    return number;
  };
}

function isolation(condition: string): Option {
  const modes = ['auto', 'namespaces', 'loopback'];
  return new Option(
    '--isolation <mode>',
    `${condition}whether pods have network namespaces, as root on Linux can give them (default: auto)`,
  ).choices(modes);
}

/** Every node costs an address and some memory. */
const nodes = wholeNumber(1, 500);

function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

/** Runs the command line and returns its exit code. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let code: Promise<number> = Promise.resolve(exitCodes.Passed);
  try {
    await createProgram(io, (started) => {
      code = started;
    }).parseAsync([...args], { from: 'user' });
    return await code;
  } catch (error) {
    return explain(error, io);
  }
}

/** One line for a person, without a stack, and the exit code. */
function explain(error: unknown, io: Io): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.Passed : exitCodes.Usage;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  io.stderr.write(`${error instanceof UsageError ? '' : 'squall: '}${message}\n`);
  return error instanceof UsageError || name === 'ClusterConfigError' ? exitCodes.Usage : exitCodes.Error;
}
