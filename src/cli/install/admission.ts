import { AGENT_LEASE_PREFIX, ANNOTATION_NODE, GROUP, VERSION } from '../../api/labels.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { labels } from './roles.js';

const NAME = 'squall-agent-writes-its-own-node';

/**
 * Holds the writes of agents to their own node, which RBAC can't: the node's name in the token (KEP-4193) is compared
 * with that of the object. Without a node in the token nothing is admitted.
 */
export function agentAdmission(namespace: string): KubeObject[] {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const metadata = { name: NAME, labels: labels('agent') };
  return [
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            rule(GROUP, VERSION, ['injections', 'injections/status']),
            rule('coordination.k8s.io', 'v1', ['leases']),
          ],
        },
        matchConditions: [
          {
            name: 'is-an-agent',
            expression: `request.userInfo.username == 'system:serviceaccount:${namespace}:squall-agent'`,
          },
        ],
        variables: [
          {
            name: 'node',
            expression:
              "'authentication.kubernetes.io/node-name' in request.userInfo.extra ? request.userInfo.extra['authentication.kubernetes.io/node-name'][0] : ''",
          },
        ],
        validations: [
          {
            expression: "variables.node != ''",
            message: "the agent's token names no node: Kubernetes 1.30 or newer puts it there",
          },
          {
            expression:
              "request.resource.resource != 'injections' || (has(object.spec.node) && object.spec.node == variables.node)",
            message: 'an agent may only write injections of its own node',
          },
          {
            expression: `request.resource.resource != 'leases' || (${isOwnLease})`,
            message: 'an agent may only write the Lease of its own node',
          },
        ],
      },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: NAME, validationActions: ['Deny'] },
    },
  ];
}

/** A long name is cut and gets a hash, which can't be computed here; see `nodeMark`. */
const isOwnLease = [
  `object.metadata.name == '${AGENT_LEASE_PREFIX}' + variables.node`,
  `(variables.node.size() > 50 && object.metadata.name.startsWith('${AGENT_LEASE_PREFIX}' + variables.node.substring(0, 41)) && has(object.metadata.annotations) && '${ANNOTATION_NODE}' in object.metadata.annotations && object.metadata.annotations['${ANNOTATION_NODE}'] == variables.node)`,
].join(' || ');

function rule(group: string, version: string, resources: string[]) {
  return { apiGroups: [group], apiVersions: [version], operations: ['CREATE', 'UPDATE'], resources };
}
