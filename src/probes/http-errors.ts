import { formatDuration } from '../stats/duration.js';
import { BlockedAddressError } from './address-policy.js';
import { CutOffError } from './http-exchange.js';
import type { Outcome } from './probe.js';
import { UnresolvedError } from './resolver.js';

/** Shortages on our own machine (errno(3)): they say nothing about the target. */
const ourOwn: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'no local port was free for the connection',
  EMFILE: 'this process has too many files open',
  ENFILE: 'this machine has too many files open',
  ENOBUFS: 'this machine has no buffers left for a connection',
  ENOMEM: 'this machine has no memory left for a connection',
  EPERM: 'this machine forbids the connection',
};

const theirs: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was closed before an answer came',
  EPIPE: 'the connection was closed before an answer came',
  EHOSTUNREACH: 'the host can not be reached',
  ENETUNREACH: 'the network can not be reached',
  ETIMEDOUT: 'the connection timed out',
  EPROTO: 'the TLS handshake failed',
};

/** The outcome of a sample whose request failed with an error, other than by its own timeout. */
export function failedRequest(error: unknown): Outcome {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof BlockedAddressError) return ownError(message);
  if (error instanceof UnresolvedError || error instanceof CutOffError) return failure(message);
  const own = ourOwn[code];
  if (own !== undefined) return ownError(`${own} (${code})`);
  const known = theirs[code];
  if (known !== undefined) return failure(known);
  if (code.startsWith('HPE_')) return failure(`the answer is not HTTP: ${message}`);
  if (isCertificateError(code)) return failure(`the certificate is not accepted: ${message}`);
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) return failure(`the TLS handshake failed: ${message}`);
  // What remains comes from Node's argument checks or from the main thread: it says nothing about the target.
  return ownError(message);
}

/** Node passes on OpenSSL's names, such as `DEPTH_ZERO_SELF_SIGNED_CERT` (verify(1)). */
function isCertificateError(code: string): boolean {
  return /CERT|ISSUER|SIGNATURE|CRL/.test(code);
}

/** The outcome of a sample that had no complete answer in time. The latency is what was waited, at least the timeout. */
export function timedOut(timeout: number, waited: number, status: number | undefined): Outcome {
  const within = `within ${formatDuration(timeout)}`;
  return {
    ...failure(
      status === undefined ? `no answer ${within}` : `status ${status}, but the body was not complete ${within}`,
    ),
    latencyMilliseconds: Math.max(waited, timeout),
  };
}

/** A failure of the target. */
export function failure(detail: string): Outcome {
  return { ok: false, detail };
}

/** An error of our own. */
export function ownError(detail: string): Outcome {
  return { ok: false, own: true, detail };
}
