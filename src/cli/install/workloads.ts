import { neededCapabilities } from '../../agent/linux-capabilities.js';
import type { Json, KubeObject } from '../../kubernetes/resource.js';
import { labels } from './roles.js';

/** What an installation can be told. */
export interface InstallOptions {
  /** Squall's own namespace. */
  namespace: string;
  /** Holds `squall`, nft, tc, ip, nsenter and flock; see the Dockerfile. */
  image: string;
  imagePullPolicy: string;
  /** Names of Secrets in Squall's namespace to pull the image with. */
  imagePullSecrets: readonly string[];
  /** Whether every node gets an agent. Without agents only faults that go through the API server or a sidecar work. */
  agents: boolean;
  /** Controllers: one acts, the others stand by. */
  replicas: number;
}

/** Where the agent keeps its undo records, on the node: they outlive its pod. */
const STATE = '/var/lib/squall';

/** On which node it is: agents work there, and the controller spares it. */
const nodeName = { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } };

/** The controller: no port, no volume, no privilege. */
export function controllerDeployment(options: InstallOptions): KubeObject {
  const { namespace, image, imagePullPolicy, replicas } = options;
  const own = labels('controller');
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'squall-controller', namespace, labels: own },
    spec: {
      replicas,
      selector: { matchLabels: own },
      template: {
        metadata: { labels: own },
        spec: {
          serviceAccountName: 'squall-controller',
          ...pullSecrets(options),
          priorityClassName: 'system-cluster-critical',
          securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'controller',
              image,
              imagePullPolicy,
              command: ['squall'],
              args: ['controller', '--system-namespace', namespace],
              env: [{ name: 'SQUALL_IMAGE', value: image }, nodeName],
              resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '512Mi' } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
            },
          ],
        },
      },
    },
  };
}

/** An agent on every node: the node's processes, named capabilities, one folder of the node, and no port. */
export function agentDaemonSet(options: InstallOptions): KubeObject {
  const { namespace, image, imagePullPolicy } = options;
  const own = labels('agent');
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'squall-agent', namespace, labels: own },
    spec: {
      selector: { matchLabels: own },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } },
      template: {
        metadata: { labels: own },
        spec: {
          serviceAccountName: 'squall-agent',
          ...pullSecrets(options),
          priorityClassName: 'system-node-critical',
          hostPID: true,
          nodeSelector: { 'kubernetes.io/os': 'linux' },
          tolerations: [{ operator: 'Exists' }],
          terminationGracePeriodSeconds: 20,
          containers: [
            {
              name: 'agent',
              image,
              imagePullPolicy,
              command: ['squall'],
              args: ['agent', '--state', STATE],
              env: [nodeName],
              resources: { requests: { cpu: '20m', memory: '96Mi' }, limits: { memory: '1Gi' } },
              securityContext: agentSecurity(),
              volumeMounts: [{ name: 'state', mountPath: STATE }],
            },
          ],
          volumes: [{ name: 'state', hostPath: { path: STATE, type: 'DirectoryOrCreate' } }],
        },
      },
    },
  };
}

/** Not `privileged`: named capabilities, and out of the profiles that would still keep it from entering namespaces. */
function agentSecurity(): Json {
  return {
    runAsUser: 0,
    runAsNonRoot: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: Object.keys(neededCapabilities) },
    appArmorProfile: { type: 'Unconfined' },
    seccompProfile: { type: 'Unconfined' },
    seLinuxOptions: { type: 'spc_t' },
  };
}

function pullSecrets({ imagePullSecrets }: InstallOptions) {
  return imagePullSecrets.length > 0 ? { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) } : {};
}
