/** A place in a file; lines and columns count from 1. */
export interface Position {
  line: number;
  column: number;
}

/** Something wrong in a manifest. */
export interface Problem extends Position {
  /** The path as it was given or found; `<stdin>` for the standard input. */
  file: string;
  /** The field, such as `spec.method[0].targets.percent`; absent when the whole file or document is meant. */
  field?: string;
  /** What is wrong and what was expected. */
  message: string;
}

/** `file:line:column: field: message` */
export function formatProblem({ file, line, column, field, message }: Problem): string {
  return `${file}:${line}:${column}: ${field === undefined ? '' : `${field}: `}${message}`;
}
