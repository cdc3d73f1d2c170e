import type { Json, KubeObject } from '../src/kubernetes/resource.js';

/** Any image with a `node`; a sandbox only needs to know that there is one. */
const image = process.env.SQUALL_E2E_IMAGE || 'node:22-alpine';

/** Answers on every path, and badly on those that say so; finishes what it is doing when asked to stop. */
const program = `
const http = require('node:http');
const answers = {
  '/redirect': (response) => response.writeHead(302, { location: '/redirect' }).end(),
  '/silent': () => {},
  '/endless': (response) => {
    const more = () => { while (response.write(Buffer.alloc(65536, 120))); };
    response.on('drain', more);
    more();
  },
  '/drip': (response) => {
    const timer = setInterval(() => response.write('x'), 1000);
    response.on('close', () => clearInterval(timer));
  },
};
const server = http.createServer((request, response) => {
  const answer = answers[request.url];
  if (answer) answer(response); else response.end('ok');
});
server.listen(8080, process.env.POD_IP);
process.once('SIGTERM', () => setTimeout(() => process.exit(), 300));
`;

/** A Deployment of HTTP servers with the label `app`. */
export function deployment(namespace: string, name: string, replicas: number): KubeObject {
  const container: Json = {
    name: 'server',
    image,
    command: ['node', '-e', program],
    env: [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1, timeoutSeconds: 5 },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { terminationGracePeriodSeconds: 2, containers: [container] },
      },
    },
  };
}

/** A Service in front of the Deployment of that name. */
export function service(namespace: string, name: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 'http' }] },
  };
}

/** The service account of all experiments. */
const ACCOUNT = 'chaos';

/** The account in a namespace, and what the experiments there need: nothing else is allowed to them. */
export function account(namespace: string): KubeObject[] {
  const apiGroup = 'rbac.authorization.k8s.io';
  const metadata = { name: ACCOUNT, namespace };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: `${apiGroup}/v1`,
      kind: 'Role',
      metadata,
      rules: [
        { apiGroups: [''], resources: ['pods'], verbs: ['delete', 'list'] },
        { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] },
      ],
    },
    {
      apiVersion: `${apiGroup}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup, kind: 'Role', name: ACCOUNT },
      subjects: [{ kind: 'ServiceAccount', ...metadata }],
    },
  ];
}

/** Parts of an Experiment; what is left out is as harmless and as short as can be. */
export interface ExperimentParts {
  hypothesis?: Json[];
  method?: Json[];
  labels?: Record<string, string>;
  more?: Json;
}

/** An Experiment. Without a method it kills one pod with the label `app: <name>`. */
export function experiment(name: string, { hypothesis, method, labels, more }: ExperimentParts = {}): KubeObject {
  return {
    apiVersion: 'squall.dev/v1alpha1',
    kind: 'Experiment',
    metadata: { name, ...(labels && { labels }) },
    spec: {
      serviceAccountName: ACCOUNT,
      hypothesis: hypothesis ?? [deploymentProbe(name, 'true')],
      method: method ?? [kill({ selector: { matchLabels: { app: name } } })],
      recovery: { within: '30s' },
      ...more,
    },
  };
}

/** A step that kills pods at once. */
export function kill(pods: Json, more: Json = {}): Json {
  const { fault = {}, targets = {}, ...step } = more;
  return {
    name: 'kill',
    podKill: { gracePeriod: '0s', ...fault },
    targets: { pods: { minAge: '0s', ...pods }, ...targets },
    ...step,
  };
}

/** A probe of the Deployment with a CEL expression on it. */
export function deploymentProbe(name: string, that: string): Json {
  return {
    name: 'deployment',
    resource: { apiVersion: 'apps/v1', kind: 'Deployment', name, interval: '100ms' },
    expect: { that },
  };
}

/** A probe of the Service; `expect` replaces its limit. */
export function serviceProbe(name: string, namespace: string, more: Json = {}): Json {
  const { path = '/', expect = { successRate: '>= 95%' }, ...http } = more;
  return {
    name: 'service',
    http: { url: `http://${name}.${namespace}.svc${path}`, rate: '50/s', ...http },
    expect,
  };
}
