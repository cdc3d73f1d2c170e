import { describe, expect, test } from '@jest/globals';
import { Cron } from 'croner';
import { type Zone, zoneOf } from '../zone.js';
import { parseCron } from './cron.js';
import { CronTimes } from './cron-times.js';

/** With `SQUALL_SIMULATION=full` every zone whose clocks are ever set is compared, by all expressions at every change, and on all days in between. */
const isFull = process.env.SQUALL_SIMULATION === 'full';
const DAY = 86_400_000;
/** On each side of a change of the clocks. */
const AROUND = 0.8 * DAY;
const begin = Date.UTC(2020, 0, 1);
const end = Date.UTC(2030, 0, 1);

/** Expressions for each rule: times of the day that may be skipped or repeated, and rhythms that go on. */
const expressions = [
  '30 2 * * *',
  '30 1 * * *',
  '15,45 0 * * *',
  '0 0,23 * * *',
  '5 0-4 * * 0,6',
  '0 * * * *',
  '*/20 1-3 * * *',
  '*/15 * * * 0',
];

/** Zones whose rules are unlike those of others: half an hour, midnight, Ramadan, moved to another offset. */
const unusual = [
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Africa/Casablanca',
  'America/Nuuk',
  'America/Scoresbysund',
  'Asia/Gaza',
  'Asia/Beirut',
  'America/Santiago',
  'America/Havana',
  'Pacific/Chatham',
  'Antarctica/Troll',
  'Asia/Kathmandu',
];

const zones = Intl.supportedValuesOf('timeZone')
  .map((name) => zoneOf(name))
  .filter((zone): zone is Zone => zone !== undefined);

/** One zone of each set of those whose clocks show the same all ten years. */
function distinct(): Zone[] {
  const bySignature = new Map<string, Zone>();
  for (const zone of zones) {
    const signature = JSON.stringify([zone.offset(begin), zone.changes(begin, end)]);
    if (!bySignature.has(signature) || unusual.includes(zone.name)) bySignature.set(signature, zone);
  }
  return [...bySignature.values()];
}

function sample(): Zone[] {
  const all = distinct();
  return isFull ? all : all.filter(({ name }, index) => unusual.includes(name) || index % 16 === 0);
}

function ours(text: string, zone: Zone, from: number, to: number): number[] {
  const times = new CronTimes(parseCron(text), zone);
  const found: number[] = [];
  for (let at = times.after(from); at !== undefined && at <= to; at = times.after(at)) found.push(at);
  return found;
}

/**
 * What croner says. Where the clocks are set it knows an expression with one time of the day as we do, but takes one with
 * several of them, such as `5 0-4`, for a rhythm, as it does `5 *`: left out in the hour that is skipped, twice in the
 * one that is repeated. cron(8) has each of the times due once. So it is asked for each of them by itself.
 */
function croners(text: string, zone: Zone, from: number, to: number): Set<number> {
  const { isFixed, hours, minutes } = parseCron(text);
  if (!isFixed) return new Set(cronerAlone(text, zone, from, to));
  const days = text.split(' ').slice(2).join(' ');
  const alone = hours.flatMap((hour) => minutes.map((minute) => `${minute} ${hour} ${days}`));
  return new Set(alone.flatMap((each) => cronerAlone(each, zone, from, to)));
}

function cronerAlone(text: string, zone: Zone, from: number, to: number): number[] {
  const cron = new Cron(text, { timezone: zone.name });
  const found: number[] = [];
  for (let at = cron.nextRun(new Date(from)); at && at.getTime() <= to; at = cron.nextRun(at)) found.push(at.getTime());
  return found;
}

/** Due times that only one of the two has. */
function differences(text: string, zone: Zone, from: number, to: number): string[] {
  const [a, b] = [new Set(ours(text, zone, from, to)), croners(text, zone, from, to)];
  const iso = (instant: number) => new Date(instant).toISOString().slice(0, 16);
  return [
    ...[...a].filter((each) => !b.has(each)).map((each) => `${zone.name} ${text}: only we at ${iso(each)}`),
    ...[...b].filter((each) => !a.has(each)).map((each) => `${zone.name} ${text}: only croner at ${iso(each)}`),
  ];
}

describe('due times of ten years are those of croner', () => {
  for (const zone of sample()) {
    test(`around every change of the clocks of ${zone.name}`, () => {
      for (const [index, { at }] of zone.changes(begin, end).entries()) {
        const asked = isFull ? expressions : expressions.filter((_, place) => place % 4 === index % 4);
        const found = asked.flatMap((text) => differences(text, zone, at - AROUND, at + AROUND));
        expect(found).toEqual([]);
      }
    });
  }

  const whole = isFull
    ? sample()
    : sample().filter(({ name }) => ['Australia/Lord_Howe', 'Africa/Casablanca'].includes(name));
  for (const zone of whole) {
    test(`on every day of ${zone.name}`, () => {
      expect(differences('30 2 * * *', zone, begin, end)).toEqual([]);
      expect(differences('7 9 13 * 5', zone, begin, end)).toEqual([]);
    });
  }
});
