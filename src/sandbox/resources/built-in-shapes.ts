/** Fields every object has at its top. */
const OBJECT = 'apiVersion:s kind:s metadata:ObjectMeta';

/** Fields of a container of any sort. */
const CONTAINER = `name:s image:s command:[s] args:[s] workingDir:s ports:[ContainerPort/containerPort] envFrom:[EnvFrom]
    env:[EnvVar/name] resources:Resources resizePolicy:[any] restartPolicy:s restartPolicyRules:[any]
    volumeMounts:[VolumeMount/mountPath] volumeDevices:[any] livenessProbe:Probe readinessProbe:Probe startupProbe:Probe
    lifecycle:Lifecycle terminationMessagePath:s terminationMessagePolicy:s imagePullPolicy:s securityContext:any
    stdin:b stdinOnce:b tty:b`;

/**
 * Fields of the built-in kinds, from the API reference of Kubernetes 1.34. In `name:shape` a shape is `s` string, `i`
 * integer, `b` boolean, `q` quantity, `x` integer or string, `t` time, `m` time in microseconds, `y` base64, `any`, the
 * name of another entry, `[…]` a list of it (`/key`: merged by that key, `+`: merged as a set), `{…}` a map of it.
 * A shape followed by `!` is replaced as a whole by a strategic merge patch.
 */
export const BUILT_IN_SHAPES: Record<string, string> = {
  ObjectMeta: `name:s generateName:s namespace:s selfLink:s uid:s resourceVersion:s generation:i creationTimestamp:t
    deletionTimestamp:t deletionGracePeriodSeconds:i labels:{s} annotations:{s} ownerReferences:[OwnerReference/uid]
    finalizers:[s+] managedFields:[any]`,
  OwnerReference: 'apiVersion:s kind:s name:s uid:s controller:b blockOwnerDeletion:b',
  LabelSelector: 'matchLabels:{s} matchExpressions:[SelectorTerm]',
  SelectorTerm: 'key:s operator:s values:[s]',
  ObjectReference: 'kind:s namespace:s name:s uid:s apiVersion:s resourceVersion:s fieldPath:s',
  LocalObjectReference: 'name:s',
  Condition: `type:s status:s observedGeneration:i lastTransitionTime:t lastUpdateTime:t lastProbeTime:t
    lastHeartbeatTime:t reason:s message:s`,

  Pod: `${OBJECT} spec:PodSpec status:PodStatus`,
  PodTemplate: 'metadata:ObjectMeta spec:PodSpec',
  PodSpec: `volumes:[Volume/name] initContainers:[Container/name] containers:[Container/name] ephemeralContainers:[EphemeralContainer/name]
    restartPolicy:s terminationGracePeriodSeconds:i activeDeadlineSeconds:i dnsPolicy:s nodeSelector:{s}
    serviceAccountName:s serviceAccount:s automountServiceAccountToken:b nodeName:s hostNetwork:b hostPID:b hostIPC:b
    shareProcessNamespace:b securityContext:any imagePullSecrets:[LocalObjectReference/name] hostname:s subdomain:s
    affinity:any schedulerName:s tolerations:[Toleration] hostAliases:[HostAlias/ip] priorityClassName:s priority:i
    dnsConfig:any readinessGates:[any] runtimeClassName:s enableServiceLinks:b preemptionPolicy:s overhead:{q}
    topologySpreadConstraints:[TopologySpread/topologyKey] setHostnameAsFQDN:b os:any hostUsers:b schedulingGates:[any]
    resourceClaims:[any] resources:any hostnameOverride:s`,
  PodStatus: `observedGeneration:i phase:s conditions:[Condition/type] message:s reason:s nominatedNodeName:s hostIP:s
    hostIPs:[any] podIP:s podIPs:[any] startTime:t initContainerStatuses:[any] containerStatuses:[any] qosClass:s
    ephemeralContainerStatuses:[any] resize:s resourceClaimStatuses:[any] extendedResourceClaimStatus:any`,
  HostAlias: 'ip:s hostnames:[s]',
  Toleration: 'key:s operator:s value:s effect:s tolerationSeconds:i',
  TopologySpread: `maxSkew:i topologyKey:s whenUnsatisfiable:s labelSelector:LabelSelector minDomains:i
    nodeAffinityPolicy:s nodeTaintsPolicy:s matchLabelKeys:[s]`,
  Container: CONTAINER,
  EphemeralContainer: `${CONTAINER} targetContainerName:s`,
  ContainerPort: 'name:s hostPort:i containerPort:i protocol:s hostIP:s',
  EnvFrom: 'prefix:s configMapRef:OptionalReference secretRef:OptionalReference',
  OptionalReference: 'name:s optional:b',
  EnvVar: 'name:s value:s valueFrom:EnvVarSource',
  EnvVarSource: `fieldRef:FieldReference resourceFieldRef:any configMapKeyRef:KeyReference secretKeyRef:KeyReference
    fileKeyRef:any`,
  FieldReference: 'apiVersion:s fieldPath:s',
  KeyReference: 'name:s key:s optional:b',
  Resources: 'limits:{q} requests:{q} claims:[any]',
  VolumeMount: `name:s readOnly:b recursiveReadOnly:s mountPath:s subPath:s mountPropagation:s subPathExpr:s`,
  Probe: `exec:ExecAction httpGet:HttpGetAction tcpSocket:TcpAction grpc:GrpcAction initialDelaySeconds:i
    timeoutSeconds:i periodSeconds:i successThreshold:i failureThreshold:i terminationGracePeriodSeconds:i`,
  Lifecycle: 'postStart:Handler preStop:Handler stopSignal:s',
  Handler: 'exec:ExecAction httpGet:HttpGetAction tcpSocket:TcpAction sleep:SleepAction',
  ExecAction: 'command:[s]',
  HttpGetAction: 'path:s port:x host:s scheme:s httpHeaders:[HttpHeader]',
  HttpHeader: 'name:s value:s',
  TcpAction: 'port:x host:s',
  GrpcAction: 'port:i service:s',
  SleepAction: 'seconds:i',
  Volume: `name:s hostPath:any emptyDir:any gcePersistentDisk:any awsElasticBlockStore:any gitRepo:any
    secret:SecretVolume nfs:any iscsi:any glusterfs:any persistentVolumeClaim:any rbd:any flexVolume:any cinder:any
    cephfs:any flocker:any downwardAPI:any fc:any azureFile:any configMap:ConfigMapVolume vsphereVolume:any quobyte:any
    azureDisk:any photonPersistentDisk:any projected:any portworxVolume:any scaleIO:any storageos:any csi:any
    ephemeral:any image:any`,
  SecretVolume: 'secretName:s items:[any] defaultMode:i optional:b',
  ConfigMapVolume: 'name:s items:[any] defaultMode:i optional:b',

  Deployment: `${OBJECT} spec:DeploymentSpec status:DeploymentStatus`,
  DeploymentSpec: `replicas:i selector:LabelSelector template:PodTemplate strategy:DeploymentStrategy minReadySeconds:i
    revisionHistoryLimit:i paused:b progressDeadlineSeconds:i`,
  DeploymentStrategy: 'type:s rollingUpdate:RollingUpdate',
  RollingUpdate: 'maxUnavailable:x maxSurge:x partition:i',
  DeploymentStatus: `observedGeneration:i replicas:i updatedReplicas:i readyReplicas:i availableReplicas:i
    unavailableReplicas:i terminatingReplicas:i conditions:[Condition/type] collisionCount:i`,
  ReplicaSet: `${OBJECT} spec:ReplicaSetSpec status:ReplicaSetStatus`,
  ReplicaSetSpec: 'replicas:i minReadySeconds:i selector:LabelSelector template:PodTemplate',
  ReplicaSetStatus: `replicas:i fullyLabeledReplicas:i readyReplicas:i availableReplicas:i terminatingReplicas:i
    observedGeneration:i conditions:[Condition/type]`,
  StatefulSet: `${OBJECT} spec:StatefulSetSpec status:any`,
  StatefulSetSpec: `replicas:i selector:LabelSelector template:PodTemplate volumeClaimTemplates:[any] serviceName:s
    podManagementPolicy:s updateStrategy:DeploymentStrategy revisionHistoryLimit:i minReadySeconds:i
    persistentVolumeClaimRetentionPolicy:any ordinals:any`,
  DaemonSet: `${OBJECT} spec:DaemonSetSpec status:DaemonSetStatus`,
  DaemonSetSpec: `selector:LabelSelector template:PodTemplate updateStrategy:DeploymentStrategy minReadySeconds:i
    revisionHistoryLimit:i`,
  DaemonSetStatus: `currentNumberScheduled:i numberMisscheduled:i desiredNumberScheduled:i numberReady:i
    observedGeneration:i updatedNumberScheduled:i numberAvailable:i numberUnavailable:i collisionCount:i
    conditions:[Condition/type]`,
  Job: `${OBJECT} spec:JobSpec status:any`,
  JobSpec: `parallelism:i completions:i activeDeadlineSeconds:i podFailurePolicy:any successPolicy:any backoffLimit:i
    backoffLimitPerIndex:i maxFailedIndexes:i selector:LabelSelector manualSelector:b template:PodTemplate
    ttlSecondsAfterFinished:i completionMode:s suspend:b podReplacementPolicy:s managedBy:s`,

  Node: `${OBJECT} spec:NodeSpec status:NodeStatus`,
  NodeSpec: `podCIDR:s podCIDRs:[s+] providerID:s unschedulable:b taints:[Taint] configSource:any externalID:s`,
  Taint: 'key:s value:s effect:s timeAdded:t',
  NodeStatus: `capacity:{q} allocatable:{q} phase:s conditions:[Condition/type] addresses:[NodeAddress/type]
    daemonEndpoints:any nodeInfo:any images:[any] volumesInUse:[s] volumesAttached:[any] config:any runtimeHandlers:[any]
    features:any declaredFeatures:[s]`,
  NodeAddress: 'type:s address:s',
  Namespace: `${OBJECT} spec:NamespaceSpec status:NamespaceStatus`,
  NamespaceSpec: 'finalizers:[s]',
  NamespaceStatus: 'phase:s conditions:[Condition/type]',
  Service: `${OBJECT} spec:ServiceSpec status:any`,
  ServiceSpec: `ports:[ServicePort/port] selector:{s} clusterIP:s clusterIPs:[s] type:s externalIPs:[s]
    sessionAffinity:s loadBalancerIP:s loadBalancerSourceRanges:[s] externalName:s externalTrafficPolicy:s
    healthCheckNodePort:i publishNotReadyAddresses:b sessionAffinityConfig:any ipFamilies:[s] ipFamilyPolicy:s
    allocateLoadBalancerNodePorts:b loadBalancerClass:s internalTrafficPolicy:s trafficDistribution:s`,
  ServicePort: 'name:s protocol:s appProtocol:s port:i targetPort:x nodePort:i',
  Endpoints: `${OBJECT} subsets:[EndpointSubset]`,
  EndpointSubset: 'addresses:[EndpointAddress] notReadyAddresses:[EndpointAddress] ports:[EndpointPort]',
  EndpointAddress: 'ip:s hostname:s nodeName:s targetRef:ObjectReference',
  EndpointPort: 'name:s port:i protocol:s appProtocol:s',
  EndpointSlice: `${OBJECT} addressType:s endpoints:[Endpoint] ports:[EndpointPort]`,
  Endpoint: `addresses:[s] conditions:any hostname:s targetRef:ObjectReference deprecatedTopology:{s} nodeName:s zone:s
    hints:any`,
  ConfigMap: `${OBJECT} immutable:b data:{s} binaryData:{y}`,
  Secret: `${OBJECT} immutable:b data:{y} stringData:{s} type:s`,
  ServiceAccount: `${OBJECT} secrets:[ObjectReference/name] imagePullSecrets:[LocalObjectReference/name]
    automountServiceAccountToken:b`,
  Event: `${OBJECT} involvedObject:ObjectReference reason:s message:s source:EventSource firstTimestamp:t lastTimestamp:t
    count:i type:s eventTime:m series:EventSeries action:s related:ObjectReference reportingComponent:s
    reportingInstance:s`,
  'Event.events.k8s.io': `${OBJECT} regarding:ObjectReference reason:s note:s type:s eventTime:m series:EventSeries action:s
    related:ObjectReference reportingController:s reportingInstance:s deprecatedSource:EventSource
    deprecatedFirstTimestamp:t deprecatedLastTimestamp:t deprecatedCount:i`,
  EventSource: 'component:s host:s',
  EventSeries: 'count:i lastObservedTime:m',
  PodDisruptionBudget: `${OBJECT} spec:DisruptionBudgetSpec status:DisruptionBudgetStatus`,
  DisruptionBudgetSpec: `minAvailable:x selector:LabelSelector! maxUnavailable:x unhealthyPodEvictionPolicy:s`,
  DisruptionBudgetStatus: `observedGeneration:i disruptedPods:{t} disruptionsAllowed:i currentHealthy:i desiredHealthy:i
    expectedPods:i conditions:[Condition/type]`,
  HorizontalPodAutoscaler: `${OBJECT} spec:AutoscalerSpec status:AutoscalerStatus`,
  AutoscalerSpec: 'scaleTargetRef:ScaleTarget minReplicas:i maxReplicas:i metrics:[any] behavior:any',
  ScaleTarget: 'kind:s name:s apiVersion:s',
  AutoscalerStatus: `observedGeneration:i lastScaleTime:t currentReplicas:i desiredReplicas:i currentMetrics:[any]
    conditions:[Condition/type]`,
  Eviction: `${OBJECT} deleteOptions:any`,
  Binding: `${OBJECT} target:ObjectReference`,
  Scale: `${OBJECT} spec:ScaleSpec status:any`,
  ScaleSpec: 'replicas:i',
  Lease: `${OBJECT} spec:LeaseSpec`,
  LeaseSpec: `holderIdentity:s leaseDurationSeconds:i acquireTime:m renewTime:m leaseTransitions:i strategy:s
    preferredHolder:s`,
  Role: `${OBJECT} rules:[PolicyRule]`,
  ClusterRole: `${OBJECT} rules:[PolicyRule] aggregationRule:AggregationRule`,
  AggregationRule: 'clusterRoleSelectors:[LabelSelector]',
  PolicyRule: 'verbs:[s] apiGroups:[s] resources:[s] resourceNames:[s] nonResourceURLs:[s]',
  RoleBinding: `${OBJECT} subjects:[Subject] roleRef:RoleReference`,
  ClusterRoleBinding: `${OBJECT} subjects:[Subject] roleRef:RoleReference`,
  Subject: 'kind:s apiGroup:s name:s namespace:s',
  RoleReference: 'apiGroup:s kind:s name:s',
  SubjectAccessReview: `${OBJECT} spec:AccessReviewSpec status:any`,
  LocalSubjectAccessReview: `${OBJECT} spec:AccessReviewSpec status:any`,
  SelfSubjectAccessReview: `${OBJECT} spec:SelfAccessReviewSpec status:any`,
  SelfSubjectRulesReview: `${OBJECT} spec:RulesReviewSpec status:any`,
  SelfSubjectReview: `${OBJECT} status:any`,
  AccessReviewSpec: `resourceAttributes:ResourceAttributes nonResourceAttributes:PathAttributes user:s groups:[s]
    extra:{any} uid:s`,
  SelfAccessReviewSpec: 'resourceAttributes:ResourceAttributes nonResourceAttributes:PathAttributes',
  ResourceAttributes: `namespace:s verb:s group:s version:s resource:s subresource:s name:s fieldSelector:any
    labelSelector:any`,
  PathAttributes: 'path:s verb:s',
  RulesReviewSpec: 'namespace:s',
  TokenReview: `${OBJECT} spec:TokenReviewSpec status:any`,
  TokenReviewSpec: 'token:s audiences:[s]',
  TokenRequest: `${OBJECT} spec:TokenRequestSpec status:any`,
  TokenRequestSpec: 'audiences:[s] expirationSeconds:i boundObjectRef:BoundObject',
  BoundObject: 'kind:s apiVersion:s name:s uid:s',
  ValidatingAdmissionPolicy: `${OBJECT} spec:AdmissionPolicySpec status:any`,
  AdmissionPolicySpec: `paramKind:any matchConstraints:MatchResources validations:[PolicyCheck] failurePolicy:s
    auditAnnotations:[any] matchConditions:[PolicyExpression/name] variables:[PolicyExpression/name]`,
  PolicyCheck: 'expression:s message:s reason:s messageExpression:s',
  PolicyExpression: 'name:s expression:s',
  MatchResources: `namespaceSelector:LabelSelector objectSelector:LabelSelector resourceRules:[OperationRule]
    excludeResourceRules:[OperationRule] matchPolicy:s`,
  OperationRule: 'resourceNames:[s] operations:[s] apiGroups:[s] apiVersions:[s] resources:[s] scope:s',
  ValidatingAdmissionPolicyBinding: `${OBJECT} spec:PolicyBindingSpec`,
  PolicyBindingSpec: 'policyName:s paramRef:any matchResources:MatchResources validationActions:[s]',
  Ingress: `${OBJECT} spec:IngressSpec status:any`,
  IngressSpec: 'ingressClassName:s defaultBackend:any tls:[any] rules:[any]',
  NetworkPolicy: `${OBJECT} spec:NetworkPolicySpec`,
  NetworkPolicySpec: 'podSelector:LabelSelector ingress:[any] egress:[any] policyTypes:[s]',
  CustomResourceDefinition: `${OBJECT} spec:CrdSpec status:any`,
  CrdSpec: `group:s names:CrdNames scope:s versions:[CrdVersion] conversion:any preserveUnknownFields:b`,
  CrdNames: 'plural:s singular:s shortNames:[s] kind:s listKind:s categories:[s]',
  CrdVersion: `name:s served:b storage:b deprecated:b deprecationWarning:s schema:CrdSchema subresources:CrdSubresources
    additionalPrinterColumns:[CrdColumn] selectableFields:[CrdField]`,
  CrdSchema: 'openAPIV3Schema:any',
  CrdSubresources: 'status:any scale:CrdScale',
  CrdScale: 'specReplicasPath:s statusReplicasPath:s labelSelectorPath:s',
  CrdColumn: 'name:s type:s format:s description:s priority:i jsonPath:s',
  CrdField: 'jsonPath:s',
};
