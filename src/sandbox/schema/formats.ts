import { isIP, isIPv4, isIPv6 } from 'node:net';

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
const DURATION = /^[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/;
const HOST_NAME =
  /^(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\.?$/;
const BASE64 = /^[A-Za-z0-9+/\r\n]*={0,2}$/;

function isDate(text: string): boolean {
  const match = DATE.exec(text);
  if (!match) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function isCidr(text: string): boolean {
  const [address, prefix, rest] = text.split('/');
  const version = isIP(address ?? '');
  if (version === 0 || rest !== undefined || prefix === undefined || !/^\d{1,3}$/.test(prefix)) return false;
  return Number(prefix) <= (version === 4 ? 32 : 128);
}

function isUri(text: string): boolean {
  return text.startsWith('/') || /^[a-zA-Z][a-zA-Z0-9+.-]*:\S+$/.test(text);
}

/** The string formats kube-apiserver checks; it ignores all others. All checks take linear time. */
export const stringFormats: Readonly<Record<string, (text: string) => boolean>> = {
  date: isDate,
  'date-time': (text) => {
    const match = DATE_TIME.exec(text);
    return match !== null && isDate(match[1] ?? '');
  },
  duration: (text) => DURATION.test(text),
  byte: (text) => BASE64.test(text),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: (text) => /^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$/.test(text),
  uri: isUri,
  hostname: (text) => HOST_NAME.test(text),
  email: (text) => /^[^\s@<>]+@[^\s@<>]+$/.test(text),
  uuid: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
};

/** The bounds of the integer formats; int64 is bounded by what JSON numbers hold exactly here. */
export const integerFormats: Readonly<Record<string, { minimum: number; maximum: number }>> = {
  int32: { minimum: -2147483648, maximum: 2147483647 },
  int64: { minimum: -(2 ** 63), maximum: 2 ** 63 },
};
