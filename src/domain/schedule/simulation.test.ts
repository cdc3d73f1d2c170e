import { describe, expect, test } from '@jest/globals';
import { unaccounted, violations } from '../../testing/schedule-rules.js';
import { type Course, simulateYear } from '../../testing/schedule-simulation.js';
import { Dice, plainWeather, roughWeather, story } from '../../testing/schedule-world.js';
import { decideSchedule } from './decide.js';

/** `SQUALL_SIMULATION=full` has 10,000 experiments, which takes some minutes. */
const EXPERIMENTS = process.env.SQUALL_SIMULATION === 'full' ? 10_000 : 40;
const PER_SEED = 5;

function* courses(isPlain: boolean): Generator<Course> {
  for (let index = 0; index < EXPERIMENTS / 2; index += 1) {
    const seed = Math.floor(index / PER_SEED);
    const weather = isPlain ? plainWeather(new Dice(seed)) : roughWeather(new Dice(seed));
    const dice = new Dice(1_000_000 + index);
    yield simulateYear(story(index, dice, isPlain), weather, dice, decideSchedule);
  }
}

describe(`a year of ${EXPERIMENTS} experiments, with outages, crashes and halts`, () => {
  test('has no start twice, none lost, none outside of windows or in a freeze; every due time is accounted for', () => {
    let runs = 0;
    for (const course of courses(true)) {
      const { story: told, last } = course;
      expect({
        told: told.experiment.spec.schedule,
        status: last.status,
        wrong: [...violations(course), ...unaccounted(course)],
      }).toMatchObject({ wrong: [] });
      runs += course.started.length;
    }
    expect(runs).toBeGreaterThan(EXPERIMENTS * 20);
  }, 3_600_000);

  test('the same with edits, suspensions, wishes, policies that come and go, and clocks that are set', () => {
    for (const course of courses(false)) {
      const { story: told, last } = course;
      expect({ told: told.experiment.spec.schedule, status: last.status, wrong: violations(course) }).toMatchObject({
        wrong: [],
      });
    }
  }, 3_600_000);
});
