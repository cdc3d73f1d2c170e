import type { ExperimentRun } from '../api/experiment-run.js';
import { FINALIZER } from '../api/labels.js';
import { experimentRuns } from '../controller/resources.js';
import { hasEnded, isConfirmed } from '../domain/belief.js';
import { ApiError } from '../kubernetes/errors.js';
import { Reflector } from '../kubernetes/reflector.js';
import type { Connection } from './connect.js';
import { controllerLeads } from './controller-watch.js';
import { type Interrupts, onAbort } from './interrupt.js';
import { ControllerMissingError } from './io.js';
import type { Progress } from './progress.js';

const LOOK_FOR_CONTROLLER_MILLISECONDS = 10_000;
/** A controller that is away for longer than another one needs to take over is missed. */
const LOOKS_UNTIL_MISSING = 6;

/** How watching a run ended. */
export interface Awaited {
  /** The run as it was last seen. */
  run: ExperimentRun;
  /** `finished`; `deleted` while it ran; `detached` by a second Ctrl-C. */
  end: 'finished' | 'deleted' | 'detached';
}

/** How to watch a run. */
export interface Watching {
  progress: Progress;
  /** The first one aborts the run, and it is watched until everything is taken back; the second one detaches. */
  interrupts?: Interrupts;
  /** Gives up watching when it fires and leaves the run as it is: for clusters that are thrown away. */
  giveUp?: AbortSignal;
}

/** Whether a run has an end to be believed: what is said to have been learnt, the controller must have confirmed. */
function hasBelievableEnd(run: ExperimentRun): boolean {
  const claims = run.status?.verdict === 'Passed' || run.status?.verdict === 'Failed';
  return hasEnded(run) && (!claims || isConfirmed(run));
}

/**
 * Whether a run is over and the controller has let go of it: its faults are taken back and their records cleared away.
 * An end that only its status claims may be anybody's.
 */
export function isOver(run: ExperimentRun): boolean {
  return hasBelievableEnd(run) && !run.metadata.finalizers?.includes(FINALIZER);
}

/**
 * Watches a run to its end.
 *
 * @throws ControllerMissingError when the controller stays away, and the reason of `giveUp`
 */
export async function awaitRun(
  connection: Connection,
  run: ExperimentRun,
  { progress, interrupts, giveUp }: Watching,
): Promise<Awaited> {
  const { namespace = '', name, uid } = run.metadata;
  const reflector = new Reflector<ExperimentRun>({
    client: connection.client,
    resource: experimentRuns,
    namespace,
    fieldSelector: `metadata.name=${name}`,
    project: (object) => object as unknown as ExperimentRun,
  });
  let latest = run;
  const stops: (() => void)[] = [];
  try {
    return await new Promise<Awaited>((resolve, reject) => {
      stops.push(
        reflector.onChange((_key, next) => {
          // Deleted runs are let go of only after their end.
          if (next?.metadata.uid !== uid)
            return resolve({ run: latest, end: hasBelievableEnd(latest) ? 'finished' : 'deleted' });
          latest = next;
          if (!latest.status?.finishTime || hasBelievableEnd(latest)) progress.show(latest);
          if (isOver(latest)) resolve({ run: latest, end: 'finished' });
        }),
        watchController(connection, reject),
      );
      const interrupt = (count: number) => {
        if (count > 1) return resolve({ run: latest, end: 'detached' });
        progress.say('Aborting: waiting until everything is taken back (Ctrl-C again to leave at once)');
        abortRun(connection, namespace, name, 'interrupted by the one who ran it').catch(reject);
      };
      if (interrupts) stops.push(interrupts.subscribe(interrupt));
      if (giveUp) stops.push(onAbort(giveUp, () => reject(giveUp.reason)));
      reflector.start();
    });
  } finally {
    for (const stop of stops) stop();
    await reflector.stop();
  }
}

/**
 * Asks for a run to be aborted. Without effect on one that is over or has been aborted before.
 *
 * @throws ApiError when it is not there
 */
export async function abortRun({ client }: Connection, namespace: string, name: string, reason: string): Promise<void> {
  try {
    await client.patch(experimentRuns, namespace, name, { spec: { abort: { reason } } });
  } catch (error) {
    // It was aborted before, for another reason, which stays.
    if (!(error instanceof ApiError && error.isInvalid)) throw error;
  }
}

function watchController(connection: Connection, missing: (error: Error) => void): () => void {
  let misses = 0;
  const timer = setInterval(async () => {
    // An API server that does not answer says nothing about the controller.
    const leads = await controllerLeads(connection).catch(() => true);
    misses = leads ? 0 : misses + 1;
    if (misses < LOOKS_UNTIL_MISSING) return;
    missing(
      new ControllerMissingError(
        'the controller is gone and none has taken over for a minute; the run goes on when one is back',
      ),
    );
  }, LOOK_FOR_CONTROLLER_MILLISECONDS);
  return () => clearInterval(timer);
}
