import { X509Certificate } from 'node:crypto';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { RE2JS } from 're2js';
import {
  boolean,
  defaulted,
  duration,
  enumeration,
  type Infer,
  integer,
  list,
  map,
  object,
  optional,
  string,
} from '../api/schema.js';
import { parseDuration } from '../stats/duration.js';
import { whyBlocked } from './address-policy.js';
import { httpSampler, portOf } from './http-sampler.js';
import { type ProbeProblem, probe } from './probe.js';

const methods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

const schema = object('http sends requests at a fixed rate, whether or not the earlier ones were answered.', {
  url: string(
    'url to request, http or https. A host such as `checkout.shop.svc` that DNS does not know is looked up among the Services. Link-local addresses, the API server and the controller itself are refused.',
    { max: 2048, pattern: '^https?://[^/?#]' },
  ),
  method: defaulted(enumeration('method of the request. Default GET.', methods), 'GET'),
  rate: defaulted(
    string('rate of the requests, such as `20/s` or `30/m`; at most 1000/s. Default 10/s.', {
      max: 8,
      pattern: '^([1-9][0-9]{0,2}|1000)/(s|m)$',
    }),
    '10/s',
  ),
  timeout: defaulted(
    duration('timeout from the intended send time to the end of the answer; at most 60s. Default 1s.'),
    '1s',
  ),
  status: defaulted(
    list(
      'status codes that are a success, such as `200`, `3xx` or `200-204`. Default any 2xx.',
      string('A status code, a class or a range.', {
        max: 7,
        pattern: '^[1-5](xx|[0-9]{2}|[0-9]{2}-[1-5][0-9]{2})$',
      }),
      { max: 20, min: 1 },
    ),
    ['2xx'],
  ),
  body: optional(
    object('body says what the answer must contain.', {
      matches: string('matches is a pattern (RE2 syntax) that must match somewhere in the first 64 KiB of the body.', {
        max: 1024,
        min: 1,
      }),
    }),
  ),
  headers: optional(
    map(
      'headers of the request. They are stored in plain text: put no secrets here.',
      string('A value.', { max: 4096 }),
      {
        max: 32,
      },
    ),
  ),
  requestBody: optional(string('requestBody to send; not with GET, HEAD or OPTIONS.', { max: 16_384 })),
  followRedirects: defaulted(
    integer('followRedirects is how many redirects are followed. Default 0: a redirect is judged by its own status.', {
      min: 0,
      max: 10,
    }),
    0,
  ),
  tls: optional(
    object('tls settings for https.', {
      insecureSkipVerify: optional(boolean('insecureSkipVerify accepts any certificate. Default false.')),
      caBundle: optional(
        string("caBundle is PEM certificates to trust instead of the system's.", { max: 65_536, min: 1 }),
      ),
      serverName: optional(
        string('serverName to ask for and to verify instead of the host in `url`.', { max: 253, min: 1 }),
      ),
    }),
  ),
});

/** The fields of an `http` probe, with every default filled in. */
export type HttpSpec = Infer<typeof schema>;

/** Milliseconds between two requests at a rate such as `20/s` or `30/m`. */
export function intervalOf(rate: string): number {
  const [amount, unit] = rate.split('/');
  return (unit === 'm' ? 60_000 : 1_000) / Number(amount);
}

const longestTimeout = 60_000;
/** These belong to the connection, not to the one who asks. */
const reservedHeaders = [
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

function check(spec: HttpSpec): ProbeProblem[] {
  const problems = [
    { field: ['url'], message: problemWithUrl(spec.url) },
    { field: ['timeout'], message: problemWithTimeout(spec.timeout) },
    { field: ['status'], message: problemWithStatus(spec.status) },
    { field: ['body', 'matches'], message: problemWithPattern(spec) },
    { field: ['requestBody'], message: problemWithRequestBody(spec) },
    { field: ['tls', 'caBundle'], message: problemWithCertificates(spec.tls?.caBundle) },
    ...Object.entries(spec.headers ?? {}).map(([name, value]) => ({
      field: ['headers', name],
      message: problemWithHeader(name, value),
    })),
  ];
  return problems.flatMap(({ field, message }) =>
    message === undefined ? [] : [{ path: ['http', ...field], message }],
  );
}

function problemWithUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '') {
    return `'${text}' is not a URL: expected http:// or https:// and a host, such as http://checkout.shop.svc/healthz`;
  }
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
  return whyBlocked(url.hostname, portOf(url), { blockLoopback: false, blocked: [] });
}

function problemWithTimeout(timeout: string | undefined): string | undefined {
  return timeout !== undefined && parseDuration(timeout) > longestTimeout ? 'must be at most 60s' : undefined;
}

function problemWithStatus(status: readonly string[] | undefined): string | undefined {
  const backwards = status?.find((entry) => /-/.test(entry) && entry.slice(0, 3) > entry.slice(4));
  return backwards === undefined ? undefined : `'${backwards}' admits nothing: expected the lower status first`;
}

function problemWithPattern({ body, method }: HttpSpec): string | undefined {
  if (body === undefined) return undefined;
  if (method === 'HEAD') return 'may not be given with `method: HEAD`, whose answers have no body';
  try {
    RE2JS.compile(body.matches);
    return undefined;
  } catch (error) {
    return `'${body.matches}' is not a pattern in RE2 syntax: ${(error as Error).message}`;
  }
}

function problemWithRequestBody({ requestBody, method = 'GET' }: HttpSpec): string | undefined {
  const withoutBody = ['GET', 'HEAD', 'OPTIONS'].includes(method);
  return requestBody !== undefined && withoutBody ? `may not be given with \`method: ${method}\`` : undefined;
}

function problemWithCertificates(bundle: string | undefined): string | undefined {
  if (bundle === undefined) return undefined;
  const certificates = bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) return 'holds no certificate: expected PEM, -----BEGIN CERTIFICATE-----';
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
    return undefined;
  } catch (error) {
    return `holds a certificate that can not be read: ${(error as Error).message}`;
  }
}

function problemWithHeader(name: string, value: string): string | undefined {
  if (reservedHeaders.includes(name.toLowerCase())) return 'belongs to the connection and may not be set';
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return undefined;
  } catch {
    return 'is not a header: expected a token as the name, and a value of one line of printable characters';
  }
}

/** Sends HTTP requests and judges the answers. */
export const http = probe<HttpSpec>({
  name: 'http',
  summary: 'Sends HTTP requests at a fixed rate and judges status, body and latency.',
  schema,
  rules: [],
  example: {
    spec: {
      url: 'http://checkout.shop.svc/healthz',
      method: 'GET',
      rate: '20/s',
      timeout: '1s',
      status: ['2xx'],
      followRedirects: 0,
    },
    expect: { successRate: '>= 99%', latencyP95: '< 300ms' },
  },
  minimumSamples: 30,
  access: [
    "`get` on `services`, and `list` on `endpointslices.discovery.k8s.io` for headless ones, in the namespace of the URL's host: only when DNS does not know the name.",
  ],
  check,
  interval: ({ rate }) => intervalOf(rate),
  sampler: httpSampler,
});
