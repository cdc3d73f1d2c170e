import { RE2JS } from 're2js';
import { ApiError, badRequest } from './api-error.js';
import { isRecord } from './json.js';

/** A fault of the server itself, for requests that match. Patterns are RE2 and match anywhere in the text. */
export interface RequestFault {
  /** Matches the method; every method when absent. */
  method?: string;
  /** Matches the path with its query, such as `/pods/.*watch=true`. */
  path: string;
  /** Answers with this status instead of doing anything. Absent: the request goes on (after `latencyMilliseconds`). */
  code?: number;
  /** Seconds for the Retry-After header that goes with `code`. */
  retryAfterSeconds?: number;
  /** Waits before anything else. */
  latencyMilliseconds?: number;
  /** Never answers and keeps the connection open. */
  hang?: boolean;
  /** Share of the matching requests that are hit, 0 to 1; all when absent. */
  rate?: number;
  /** How many requests are hit before the fault is over; no end when absent. */
  count?: number;
}

/** How the server misbehaves at the moment. */
export interface KnobSettings {
  /** Added to every request. */
  latencyMilliseconds: number;
  /** The first that matches and has requests left is applied. */
  faults: RequestFault[];
  /** How a watch from a forgotten version is refused: as an ERROR event in a 200 (as today's servers do), or as HTTP 410. */
  expiredWatch: 'event' | 'http';
  /** How far the server's clock is ahead of the machine's; negative when it is behind. */
  clockOffsetMilliseconds: number;
}

/** What a running server does at once when told to. `resource` (such as `pods`) narrows watches down. */
export interface ServerControls {
  /** Cuts the connections of watches. Returns how many. */
  dropWatches(resource?: string): number;
  /** Leaves watches open and sends them nothing any more. Returns how many. */
  hangWatches(resource?: string): number;
  /** Ends watches with a 410 ERROR event. Returns how many. */
  expireWatches(resource?: string): number;
  /** Forgets history and page tokens: watches and `continue` from before now get a 410. */
  compact(): void;
  /** Closes all connections and refuses new ones for so long; objects and versions stay. Resolves when it is back. */
  outage(milliseconds: number): Promise<void>;
}

/** Faults of a sandbox's API server that a real one can't be asked for, for tests. */
export interface Knobs extends ServerControls {
  readonly settings: KnobSettings;
  /** Replaces the settings named. Throws 400 for a pattern that is none. */
  set(settings: Partial<KnobSettings>): void;
  /** The server's clock. */
  now(): Date;
  /** The fault that hits a request, if any, and counts it. */
  hit(method: string, url: string): RequestFault | undefined;
  /** Called by the server when it starts. */
  attach(controls: ServerControls): void;
}

const NO_FAULTS: KnobSettings = {
  latencyMilliseconds: 0,
  faults: [],
  expiredWatch: 'event',
  clockOffsetMilliseconds: 0,
};

interface CompiledFault {
  fault: RequestFault;
  method: RE2JS | undefined;
  path: RE2JS;
  left: number;
}

/** Knobs of a server that behaves. */
export function createKnobs(): Knobs {
  return new ServerKnobs();
}

class ServerKnobs implements Knobs {
  settings: KnobSettings = NO_FAULTS;
  private faults: CompiledFault[] = [];
  private controls: ServerControls | undefined;

  attach(controls: ServerControls): void {
    this.controls = controls;
  }

  set(settings: Partial<KnobSettings>): void {
    const next = { ...this.settings, ...settings };
    this.faults = next.faults.map(compile);
    this.settings = next;
  }

  now(): Date {
    return new Date(Date.now() + this.settings.clockOffsetMilliseconds);
  }

  hit(method: string, url: string): RequestFault | undefined {
    for (const entry of this.faults) {
      const { fault } = entry;
      if (entry.left > 0 && matches(entry, method, url) && Math.random() < (fault.rate ?? 1)) {
        entry.left -= 1;
        return fault;
      }
    }
    return undefined;
  }

  dropWatches(resource?: string): number {
    return this.server().dropWatches(resource);
  }

  hangWatches(resource?: string): number {
    return this.server().hangWatches(resource);
  }

  expireWatches(resource?: string): number {
    return this.server().expireWatches(resource);
  }

  compact(): void {
    this.server().compact();
  }

  outage(milliseconds: number): Promise<void> {
    return this.server().outage(milliseconds);
  }

  private server(): ServerControls {
    if (this.controls === undefined) {
      throw new Error('These knobs belong to no running server: pass them to startApiServer first');
    }
    return this.controls;
  }
}

function compile(fault: RequestFault): CompiledFault {
  try {
    const method = fault.method === undefined ? undefined : RE2JS.compile(fault.method);
    return { fault, method, path: RE2JS.compile(fault.path), left: fault.count ?? Number.POSITIVE_INFINITY };
  } catch (error) {
    throw badRequest(`${JSON.stringify(fault)}: ${(error as Error).message}`);
  }
}

function matches({ method, path }: CompiledFault, requestMethod: string, url: string): boolean {
  return (method?.matcher(requestMethod).find() ?? true) && path.matcher(url).find();
}

const REASONS: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** The answer that a fault with a code gives. */
export function faultError(code: number, retryAfterSeconds?: number): ApiError {
  const details = retryAfterSeconds === undefined ? undefined : { retryAfterSeconds };
  return new ApiError(code, REASONS[code] ?? 'InternalError', `a sandbox knob answers ${code}`, details);
}

/** Reads settings that came over HTTP. Throws 400 naming the field that is wrong. */
export function parseSettings(body: Record<string, unknown>): Partial<KnobSettings> {
  const {
    latencyMilliseconds = 0,
    faults = [],
    expiredWatch = 'event',
    clockOffsetMilliseconds = 0,
    ...unknown
  } = body;
  refuseUnknown(unknown);
  if (!Number.isSafeInteger(clockOffsetMilliseconds)) {
    throw badRequest('clockOffsetMilliseconds must be a whole number');
  }
  if (typeof latencyMilliseconds !== 'number' || latencyMilliseconds < 0) {
    throw badRequest('latencyMilliseconds must be a number of at least 0');
  }
  if (expiredWatch !== 'event' && expiredWatch !== 'http') {
    throw badRequest('expiredWatch must be "event" or "http"');
  }
  if (!Array.isArray(faults)) {
    throw badRequest('faults must be a list');
  }
  return {
    latencyMilliseconds,
    expiredWatch,
    clockOffsetMilliseconds: clockOffsetMilliseconds as number,
    faults: faults.map(parseFault),
  };
}

function parseFault(value: unknown): RequestFault {
  if (!isRecord(value) || typeof value.path !== 'string') {
    throw badRequest('each of faults must be an object with a path pattern');
  }
  const { method, path, hang, ...rest } = value;
  const { code, retryAfterSeconds, latencyMilliseconds, rate, count, ...unknown } = rest;
  refuseUnknown(unknown);
  if (method !== undefined && typeof method !== 'string') {
    throw badRequest('method of a fault must be a pattern');
  }
  for (const [name, number] of Object.entries({ code, retryAfterSeconds, latencyMilliseconds, rate, count })) {
    if (number !== undefined && (typeof number !== 'number' || number < 0)) {
      throw badRequest(`${name} of a fault must be a number of at least 0`);
    }
  }
  if (code !== undefined && (!Number.isInteger(code) || code < 400 || code > 599)) {
    throw badRequest('code of a fault must be between 400 and 599');
  }
  return { method, path, code, retryAfterSeconds, latencyMilliseconds, hang: hang === true, rate, count };
}

function refuseUnknown(unknown: Record<string, unknown>): void {
  const [name] = Object.keys(unknown);
  if (name !== undefined) {
    throw badRequest(`there is no knob ${JSON.stringify(name)}`);
  }
}
