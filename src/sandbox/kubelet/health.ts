import type { Json } from '../store/types.js';
import { type HandlerTarget, runHandler } from './handlers.js';
import { startProber } from './prober.js';

/** What the probes of a running container have to say. */
export interface HealthListener {
  ready(ready: boolean): void;
  started(): void;
  warning(reason: string, message: string): void;
  /** The container must be killed, and restarted as its policy says. */
  restart(why: string, probe?: Json): void;
}

/** The probes of one run of a container. */
export interface ContainerHealth {
  /** Ends what could ask for a restart: the container is being stopped, and only its readiness still matters. */
  endRestarts(): void;
  stop(): void;
}

type ProbeKind = 'startupProbe' | 'readinessProbe' | 'livenessProbe';

const titles: Record<ProbeKind, string> = {
  startupProbe: 'Startup',
  readinessProbe: 'Readiness',
  livenessProbe: 'Liveness',
};

/** Runs the postStart hook, then the startup probe, and once that has succeeded the readiness and the liveness probe. */
export function watchHealth(container: Json, target: HandlerTarget, listener: HealthListener): ContainerHealth {
  const stopping = new AbortController();
  const restarts = new Set<() => void>();
  let stopReadiness = (): void => undefined;

  async function begin(): Promise<void> {
    const hook = container.lifecycle?.postStart;
    const failure = hook && (await runHandler(hook, target, stopping.signal));
    if (stopping.signal.aborted) {
      return;
    }
    if (failure) {
      listener.warning('FailedPostStartHook', `PostStartHook failed: ${failure}`);
      listener.restart('failed its postStart hook');
    } else if (container.startupProbe) {
      startRestarting('startupProbe');
    } else {
      beginMain();
    }
  }

  function beginMain(): void {
    listener.started();
    if (container.readinessProbe) {
      stopReadiness = start('readinessProbe', listener.ready);
    } else {
      listener.ready(true);
    }
    if (container.livenessProbe) {
      startRestarting('livenessProbe');
    }
  }

  function startRestarting(kind: 'startupProbe' | 'livenessProbe'): void {
    const stop = start(kind, (success) => {
      if (!success) {
        listener.restart(`failed ${titles[kind].toLowerCase()} probe`, container[kind]);
      } else if (kind === 'startupProbe') {
        stop();
        beginMain();
      }
    });
    restarts.add(stop);
  }

  function start(kind: ProbeKind, settled: (success: boolean) => void): () => void {
    return startProber(container[kind], target, {
      settled,
      failed: (message) => listener.warning('Unhealthy', `${titles[kind]} probe failed: ${message}`),
    });
  }

  function endRestarts(): void {
    stopping.abort();
    for (const stop of restarts) {
      stop();
    }
  }

  // Without a hook or probe to wait for, the container is ready in the same moment that it is running.
  void begin();
  return {
    endRestarts,
    stop() {
      endRestarts();
      stopReadiness();
    },
  };
}
