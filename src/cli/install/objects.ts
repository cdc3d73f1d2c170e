import { customResourceDefinition } from '../../api/kind.js';
import { kinds } from '../../catalogue.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { agentAdmission } from './admission.js';
import { labels, roles } from './roles.js';
import { agentDaemonSet, controllerDeployment, type InstallOptions } from './workloads.js';

/** All that an installation is made of, in the order it is to be made. */
export interface Installation {
  crds: KubeObject[];
  namespace: KubeObject;
  controller: KubeObject[];
  agents: KubeObject[];
}

/** What is installed. The same objects make the output of `squall install --print` and the chart. */
export function installation(options: InstallOptions): Installation {
  const { namespace } = options;
  const all = roles(namespace, options.agents);
  const isAgents = ({ metadata }: KubeObject) => metadata.name === 'squall-agent';
  return {
    crds: kinds.map((kind) => customResourceDefinition(kind) as unknown as KubeObject),
    namespace: namespaceObject(namespace),
    controller: [...all.filter((object) => !isAgents(object)), controllerDeployment(options)],
    agents: options.agents ? [...all.filter(isAgents), ...agentAdmission(namespace), agentDaemonSet(options)] : [],
  };
}

/** Agents need more than the levels `baseline` and `restricted` of Pod Security admit. */
function namespaceObject(name: string): KubeObject {
  const levels = ['enforce', 'audit', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'privileged']);
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { ...labels('namespace'), ...Object.fromEntries(levels) } },
  };
}

/** All objects in one list. */
export function inOrder({ crds, namespace, controller, agents }: Installation): KubeObject[] {
  return [...crds, namespace, ...controller, ...agents];
}
