import type { Store } from '../store/types.js';
import { clusterRoleController } from './cluster-role.js';
import { createControllerContext } from './context.js';
import { type Controller, runController } from './controller.js';
import { daemonSetController } from './daemon-set.js';
import { deploymentController } from './deployment.js';
import { disruptionController } from './disruption.js';
import { endpointsController } from './endpoints.js';
import { startGarbageCollector } from './garbage-collector.js';
import { jobController } from './job.js';
import { namespaceController } from './namespace.js';
import { nodeLifecycleController } from './node-lifecycle.js';
import { podAutoscalerController } from './pod-autoscaler.js';
import { podGarbageController } from './pod-garbage.js';
import { replicaSetController } from './replica-set.js';
import { schedulerController } from './scheduler.js';
import { statefulSetController } from './stateful-set.js';

/** Starts every controller of a cluster, the scheduler included; returns how to stop them. */
export function startControllers(store: Store): () => void {
  const context = createControllerContext(store);
  const scheduler = schedulerController(context);
  const controllers: Controller[] = [
    namespaceController(context),
    deploymentController(context),
    replicaSetController(context),
    daemonSetController(context),
    statefulSetController(context),
    jobController(context),
    scheduler,
    nodeLifecycleController(context),
    endpointsController(context),
    disruptionController(context),
    podAutoscalerController(context),
    podGarbageController(context),
    clusterRoleController(context),
  ];
  const stops = controllers.map((controller) => runController(store, controller));
  stops.push(startGarbageCollector(store), scheduler.stop, context.stop);
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}
