// What all load scripts share: the scale, read from the environment; one request; the check of a document.
//
// Nothing that is logged, and no tag of a metric, says which student was asked for or who answered.

import http from 'k6/http';
import { check } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';

// ---- the scale ----

function fail(name, wanted) {
  throw new Error(`${name} must be ${wanted}, and is "${__ENV[name]}"`);
}

export function number(name, fallback, least, most) {
  const text = __ENV[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!(value >= least && value <= most)) fail(name, `a number from ${least} to ${most}`);
  return value;
}

export function integer(name, fallback, least, most) {
  const value = number(name, fallback, least, most);
  if (!Number.isInteger(value)) fail(name, 'a whole number');
  return value;
}

const UNITS = { ms: 1, s: 1000, m: 60000, h: 3600000 };

export function milliseconds(name, fallback) {
  const text = __ENV[name];
  if (text === undefined || text === '') return fallback;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) fail(name, 'a duration such as 500ms, 90s or 8m');
  const parts = text.matchAll(/([\d.]+)(ms|s|m|h)/g);
  return Math.round(Array.from(parts).reduce((sum, [, count, unit]) => sum + count * UNITS[unit], 0));
}

export const BASE_URL = (__ENV.BASE_URL || 'http://127.0.0.1:8081').replace(/\/+$/, '');
export const THINK = number('THINK', 1, 0, 3600);

export const FIRST_ID = integer('FIRST_ID', 10000, 1, 999999999);
export const LAST_ID = integer('LAST_ID', 674823, 1, 999999999);
const VUS = integer('VUS', 3000, 1, 1000000);
// One virtual user more every 160 ms: 3,000 in eight minutes, and 20 in about three seconds.
const RAMP = milliseconds('RAMP', VUS * 160);
const HOLD = milliseconds('HOLD', 0);
const TIMEOUT = milliseconds('TIMEOUT', 10000);
const LOG_LINES = integer('LOG_LINES', 5, 0, 1000000);

export const P95_MS = number('P95_MS', 190, 0, 3600000);

if (FIRST_ID > LAST_ID) throw new Error('FIRST_ID must not be greater than LAST_ID');

// Every user asks, thinks and asks again; their number rises, holds and falls.
const CLOSED = {
  executor: 'ramping-vus',
  startVUs: 0,
  stages: [
    { duration: `${RAMP}ms`, target: VUS },
    { duration: `${HOLD}ms`, target: VUS },
    { duration: `${RAMP}ms`, target: 0 },
  ],
  gracefulRampDown: '15s',
  gracefulStop: '15s',
};

export function options(thresholds, scenario = CLOSED) {
  return {
    scenarios: { students: scenario },
    // Neither `url` nor `error`: the one holds an id, the other may.
    systemTags: ['scenario', 'name', 'method', 'status', 'proto', 'error_code', 'expected_response', 'check'],
    summaryTrendStats: ['avg', 'min', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'],
    thresholds: {
      student_right: ['count>0'], // a run that asked nothing is no success
      student_failed: ['rate<0.001', { threshold: 'rate<0.5', abortOnFail: true, delayAbortEval: '10s' }],
      student_wrong: [{ threshold: 'count==0', abortOnFail: true, delayAbortEval: '5s' }],
      student_duration: [`p(95)<${P95_MS}`],
      ...thresholds,
    },
  };
}

export function someId() {
  return FIRST_ID + Math.floor(Math.random() * (LAST_ID - FIRST_ID + 1));
}

// ---- what is measured ----

const durations = new Trend('student_duration', true); // from sending to the last byte, whatever the answer
const right = new Counter('student_right'); // answers that passed every check
const wrong = new Counter('student_wrong'); // answers that say something untrue: wrong status, head or body
const problems = new Counter('student_problems'); // answers that say nothing about the student, and no answer at all
const failed = new Rate('student_failed'); // wrong answers and problems, of all requests

export function succeed(tags) {
  right.add(1, tags);
  failed.add(false, tags);
}

// `broken` are the names of the checks that did not hold.
export function refuse(response, tags, broken) {
  wrong.add(1, tags);
  failed.add(true, tags);
  log('wrong answer', response.status, response.error_code, titleOf(response), broken);
}

// ---- the log of failures ----

let logged = 0; // by this virtual user

function log(what, status, errorCode, title, broken = []) {
  if (logged >= LOG_LINES) return;
  logged += 1;
  console.error(`${what}: status=${status} error_code=${errorCode} title=${JSON.stringify(title)}` +
    broken.map((name) => ` broken=${JSON.stringify(name)}`).join(''));
}

// The title of a problem, with no digits: whatever server this is, it shall not bring an id into the log.
function titleOf(response) {
  if (!isProblem(response)) return '';
  const { title } = parse(response.body);
  return typeof title === 'string' ? title.replace(/\d+/g, '#').slice(0, 80) : '';
}

// k6's own error code (https://grafana.com/docs/k6/latest/javascript-api/error-codes/), as far as the text shows it.
const ERROR_CODES = [
  [/connection refused/, 1212],
  [/dial.*i\/o timeout/, 1211],
  [/request timeout|deadline exceeded|Client\.Timeout/, 1050],
  [/no such host/, 1101],
  [/connection reset by peer/, 1220],
  [/broken pipe/, 1201],
  [/x509|certificate/, 1300],
  [/\bdial\b/, 1210],
  [/decompress|gzip:|flate:|zstd|invalid header|magic number/, 1701],
];

function errorCodeOf(exception) {
  const text = String(exception && exception.message).replace(/"[^"]*"/g, ''); // without the URL
  const found = ERROR_CODES.find(([pattern]) => pattern.test(text));
  return found ? found[1] : 1000;
}

// ---- one request ----

// What these say of a student is true or a lie, so one that is not expected is a wrong answer, as a wrong mark is:
// the 404 for a student who exists, and the 200 for one who does not.
const ANSWERS = [200, 304, 404];

// The answer, if its status is one of `expected`; otherwise null, and the failure is counted and logged.
export function ask(url, name, headers, expected, tags) {
  const started = Date.now();
  let response;
  try {
    response = http.get(url, {
      headers,
      tags: { name, ...tags }, // one name for all students
      timeout: TIMEOUT,
      redirects: 0,
      responseType: 'text',
      responseCallback: http.expectedStatuses(...expected), // so that k6's own http_req_failed is true too
      throw: true, // or k6 itself would log the URL of what got no answer
    });
  } catch (exception) {
    durations.add(Date.now() - started, tags);
    problem(0, errorCodeOf(exception), '', tags);
    return null;
  }
  durations.add(response.timings.duration, tags);
  if (expected.includes(response.status)) return response;
  if (ANSWERS.includes(response.status)) refuse(response, tags, ['the status is an expected one']);
  else problem(response.status, response.error_code, titleOf(response), tags);
  return null;
}

function problem(status, errorCode, title, tags) {
  problems.add(1, { status: String(status), error_code: String(errorCode), ...tags });
  failed.add(true, tags);
  log('failed', status, errorCode, title);
}

// ---- the check of a document ----

const COMMON = ['english', 'mathematics', 'aptitude', 'civics'];
const SUBJECTS = {
  natural_science: [...COMMON, 'physics', 'chemistry', 'biology'],
  social_science: [...COMMON, 'geography', 'history', 'economics'],
};

export function isProblem({ headers }) {
  return /^application\/problem\+json\b/.test(headers['Content-Type'] || '');
}

export function parse(body) {
  try {
    const value = JSON.parse(body);
    return value !== null && typeof value === 'object' ? value : {};
  } catch (_) {
    return {};
  }
}

function sevenMarks({ results, stream }) {
  const subjects = SUBJECTS[stream];
  return (
    subjects !== undefined &&
    results !== null &&
    typeof results === 'object' &&
    Object.keys(results).join() === subjects.join() &&
    Object.values(results).every((mark) => Number.isInteger(mark) && mark >= 0 && mark <= 100)
  );
}

const CHECKS = {
  'the answered id is the asked one': ({ asked, student }) => student.id === asked,
  'there are the seven results of the stream': ({ student }) => sevenMarks(student),
  'the total is their sum': ({ student }) =>
    student.total === Object.values(student.results || {}).reduce((sum, mark) => sum + mark, 0),
  // In whole hundredths: seven is odd, so no total lies half-way.
  'the average is the total by seven': ({ student }) =>
    student.average === Math.floor((100 * student.total + 3) / 7) / 100,
  'it is out of 700': ({ student }) => student.out_of === 700,
};

// Counts each of `checks`, and returns the names of those that do not hold.
export function broken(value, checks) {
  if (check(value, checks)) return [];
  return Object.keys(checks).filter((name) => !checks[name](value));
}

export function brokenInDocument(body, asked) {
  return broken({ asked, student: parse(body) }, CHECKS);
}
