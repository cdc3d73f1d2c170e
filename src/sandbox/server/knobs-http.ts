import type { IncomingMessage, ServerResponse } from 'node:http';
import { badRequest, methodNotAllowed, pathNotFound } from '../api-error.js';
import { parseSettings } from '../knobs.js';
import { type ServerContext, sendJson } from './context.js';
import { integerOf } from './query.js';
import { readObject } from './request.js';

/** Where the knobs are; no real API server has this path. */
export const KNOBS_PATH = '/sandbox/knobs';

/**
 * The knobs over HTTP: `GET` reads the settings, `PUT` replaces them, `POST …/drop-watches`, `…/hang-watches`,
 * `…/expire-watches` (each with `?resource=pods`), `…/compact` and `…/outage?milliseconds=N` act at once. An outage is
 * answered before it begins.
 */
export async function handleKnobs(
  { knobs }: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const action = url.pathname.slice(KNOBS_PATH.length);
  if (action === '') {
    if (request.method === 'PUT') {
      knobs.set(parseSettings(await readObject(request)));
    } else if (request.method !== 'GET') {
      throw methodNotAllowed();
    }
    sendJson(response, 200, knobs.settings);
    return;
  }
  if (request.method !== 'POST') {
    throw methodNotAllowed();
  }
  const resource = url.searchParams.get('resource') ?? undefined;
  switch (action) {
    case '/drop-watches':
      return sendJson(response, 200, { watches: knobs.dropWatches(resource) });
    case '/hang-watches':
      return sendJson(response, 200, { watches: knobs.hangWatches(resource) });
    case '/expire-watches':
      return sendJson(response, 200, { watches: knobs.expireWatches(resource) });
    case '/compact':
      knobs.compact();
      return sendJson(response, 200, {});
    case '/outage':
      return startOutage(knobs.outage.bind(knobs), response, url.searchParams);
    default:
      throw pathNotFound();
  }
}

function startOutage(
  outage: (milliseconds: number) => Promise<void>,
  response: ServerResponse,
  query: URLSearchParams,
): void {
  const milliseconds = integerOf(query, 'milliseconds');
  if (milliseconds === undefined) {
    throw badRequest('milliseconds is required');
  }
  response.on('finish', () => void outage(milliseconds));
  sendJson(response, 200, { milliseconds });
}
