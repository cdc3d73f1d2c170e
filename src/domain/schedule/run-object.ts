import type { Experiment, ExperimentSpec } from '../../api/experiment.js';
import type { RunSpec } from '../../api/experiment-run.js';
import type { Metadata } from '../../api/kind.js';
import { ANNOTATION_EXPECTED_VERDICT, API_VERSION, LABEL_EXPERIMENT } from '../../api/labels.js';
import type { ScheduleAction } from './observed.js';
import { timeText } from './schedule-draft.js';

/**
 * The run of an experiment that is to be created. Its experiment owns it: deleting the experiment deletes its runs, of
 * which those under way take their faults back first; and tools such as Argo CD see where it comes from.
 */
export function runObject(
  { metadata, spec }: Experiment,
  { name, trigger, due }: Extract<ScheduleAction, { do: 'create' }>,
) {
  const { schedule: _schedule, history: _history, ...template } = spec;
  const runSpec: RunSpec = {
    template: template as ExperimentSpec,
    trigger,
    ...(due !== undefined && { scheduledTime: timeText(due) }),
  };
  return {
    metadata: {
      name,
      namespace: metadata.namespace ?? '',
      ...inherited(metadata),
      ownerReferences: [
        { apiVersion: API_VERSION, kind: 'Experiment', name: metadata.name, uid: metadata.uid, controller: true },
      ],
    },
    spec: runSpec,
  };
}

/** The labels and annotations that a run has from its experiment, whoever starts it. */
export function inherited({ name, labels, annotations }: Pick<Metadata, 'name' | 'labels' | 'annotations'>) {
  const expected = annotations?.[ANNOTATION_EXPECTED_VERDICT];
  return {
    labels: { ...labels, [LABEL_EXPERIMENT]: name },
    annotations: { ...(expected !== undefined && { [ANNOTATION_EXPECTED_VERDICT]: expected }) },
  };
}
