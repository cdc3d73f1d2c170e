import { decideSchedule } from '../domain/schedule/decide.js';
import { unaccounted, violations } from './schedule-rules.js';
import { simulateYear } from './schedule-simulation.js';
import { Dice, plainWeather, roughWeather, story } from './schedule-world.js';

/** How many experiments share their weather. */
const PER_WEATHER = 20;

/** What came of the years of many experiments. */
export interface YearReport {
  experiments: number;
  runs: number;
  /** What is wrong, with the schedule of the experiment. */
  wrong: string[];
}

/**
 * Lets a year pass for so many experiments; half of them are left alone by people, policies and clocks.
 *
 * @param isEnough ends it after an experiment with which this is wrong
 */
export function simulateExperiments(
  count: number,
  decide = decideSchedule,
  isEnough = (wrong: readonly string[]): boolean => wrong.length >= 10,
): YearReport {
  const report: YearReport = { experiments: count, runs: 0, wrong: [] };
  for (let index = 0; index < count && !isEnough(report.wrong); index += 1) {
    const isPlain = index % 2 === 0;
    const weatherDice = new Dice(Math.floor(index / PER_WEATHER));
    const weather = isPlain ? plainWeather(weatherDice) : roughWeather(weatherDice);
    const dice = new Dice(1_000_000 + index);
    const course = simulateYear(story(index, dice, isPlain), weather, dice, decide);
    report.runs += course.started.length;
    const { schedule } = course.story.experiment.spec;
    const found = [...violations(course), ...(isPlain ? unaccounted(course) : [])];
    report.wrong.push(...found.slice(0, 3).map((each) => `${each} (${JSON.stringify(schedule)})`));
  }
  return report;
}
