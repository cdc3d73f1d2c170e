import type { Column, ResourceType } from '../resources/resource-type.js';
import type { Json, KubeObject } from '../store/types.js';

/** What `includeObject` asks a row to carry. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

const TABLE_VERSION = 'meta.k8s.io/v1';

/**
 * Objects as rows for `kubectl get` (`meta.k8s.io/v1.Table`).
 * @param withColumns only the first Table of a watch carries column definitions
 */
export function toTable(
  type: ResourceType,
  objects: readonly KubeObject[],
  metadata: Json,
  include: IncludeObject,
  now: Date,
  withColumns = true,
): Json {
  return {
    kind: 'Table',
    apiVersion: TABLE_VERSION,
    metadata,
    columnDefinitions: withColumns ? type.columns.map(definition) : null,
    rows: objects.map((object) => ({
      cells: type.columns.map((column) => column.cell(object, now)),
      ...(include === 'None' ? {} : { object: include === 'Object' ? object : toPartial(object) }),
    })),
  };
}

/** An object with nothing but its metadata. */
export function toPartial(object: KubeObject): Json {
  return { kind: 'PartialObjectMetadata', apiVersion: TABLE_VERSION, metadata: object.metadata };
}

function definition({ name, type, format = '', description = '', priority = 0 }: Column): Json {
  return { name, type, format, description, priority };
}
