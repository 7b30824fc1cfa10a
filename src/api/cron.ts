// SPDX-License-Identifier: Apache-2.0
// The form of a cron expression as the API server can check it: five fields, each with its own range.

/** Each letter in either case; neither RE2 nor every JavaScript engine needs flags for it. */
const names = (list: string): string =>
  list
    .split(' ')
    .map((name) =>
      name
        .split('')
        .map((c) => `[${c}${c.toLowerCase()}]`)
        .join(''),
    )
    .join('|');

/** Lists of numbers or names, ranges of them, and steps, which need something to step through. */
const field = (value: string, step: string): string => {
  const part = `(\\*(/(${step}))?|(${value})(-(${value})(/(${step}))?)?)`;
  return `${part}(,${part})*`;
};

const MINUTE = field('[0-5]?[0-9]', '[1-9]|[1-5][0-9]');
const HOUR = field('[01]?[0-9]|2[0-3]', '[1-9]|1[0-9]|2[0-3]');
const DAY = field('0?[1-9]|[12][0-9]|3[01]', '[1-9]|[12][0-9]|3[01]');
const MONTH = field(`0?[1-9]|1[0-2]|${names('JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC')}`, '[1-9]|1[0-2]');
const WEEKDAY = field(`[0-7]|${names('SUN MON TUE WED THU FRI SAT')}`, '[1-7]');

/** RE2-safe. Ranges that run backwards are beyond it: the scheduler tells them (`InvalidSchedule`). */
export const CRON_PATTERN = `^${[MINUTE, HOUR, DAY, MONTH, WEEKDAY].join(' ')}$`;
export const CRON_SAYS =
  'must be five cron fields with single spaces: minute (0-59), hour (0-23), day (1-31), month (1-12), weekday (0-7), such as 0 2 * * *';
