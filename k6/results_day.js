// Results day: look-ups arrive as a nation makes them, whether the server keeps up or not. Half of them come in the
// first tenth of the time, each student is looked up 20 to 30 times, and some ask for students who do not exist.
// `corrections` is to run beside it, so nothing that a correction can change is taken for granted.

import exec from 'k6/execution';
import { Rate } from 'k6/metrics';
import {
  BASE_URL, P95_MS, ask, broken, integer, isProblem, number, options as scale, parse, refuse, succeed,
} from './lib.js';
import { LIVE, PUBLISHED, codingAt, lookUp, thresholds } from './document.js';
import { ITERATIONS, PEAK, STUDENTS, TIME_UNIT, TOTAL, stages, visit } from './day.js';

const LIVE_SHARE = number('LIVE', 0.05, 0, 1);
const MAX_DROPPED = number('MAX_DROPPED', 0.01, 0, 1);
// A half second of the peak: enough for what P95_MS allows and more. All are made before the start, because making
// one takes the time of many look-ups.
const VUS = integer('VUS', Math.min(3000, Math.max(20, Math.ceil(PEAK / 2))), 1, 1000000);

const inFirstTenth = new Rate('student_in_first_tenth'); // of the arrivals, which ought to be half

thresholds.student_in_first_tenth = ['rate>0.4', 'rate<0.6'];
thresholds.dropped_iterations = [`count<=${Math.floor(ITERATIONS * MAX_DROPPED)}`];
for (const path of ['published', 'live', 'unknown']) {
  thresholds[`student_duration{path:${path}}`] = [`p(95)<${P95_MS}`];
}

export const options = scale(thresholds, {
  executor: 'ramping-arrival-rate',
  startRate: 0,
  timeUnit: TIME_UNIT,
  stages: stages(ITERATIONS),
  preAllocatedVUs: VUS,
  maxVUs: VUS,
  gracefulStop: '15s',
});

export function setup() {
  console.log(`${TOTAL} look-ups of ${STUDENTS} students and of unknown ids, in ${ITERATIONS} visits, ` +
    `at most ${Math.round(PEAK)} of them a second, by ${VUS} virtual users`);
}

const UNKNOWN_CHECKS = {
  '404: it is a problem': (response) => isProblem(response),
  '404: nobody may keep it': ({ headers }) => headers['Cache-Control'] === 'no-store' && !headers.Etag,
  '404: it says that the student is unknown': ({ problem }) =>
    problem.type === 'urn:results-day:problem:unknown-student' && problem.status === 404,
  '404: it does not repeat the id': ({ body, id }) => !body.includes(String(id)),
};

function lookUpUnknown(path, id, coding, tags) {
  const response = ask(BASE_URL + path.replace('{id}', id), path, { 'Accept-Encoding': coding }, [404], tags);
  if (response === null) return;
  const { headers, body } = response;
  const wrong = broken({ headers, body, id, problem: parse(body) }, UNKNOWN_CHECKS);
  if (wrong.length === 0) succeed(tags);
  else refuse(response, tags, wrong);
}

export default function () {
  inFirstTenth.add(exec.scenario.progress < 0.1);
  const { id, known, again } = visit(exec.scenario.iterationInTest);
  const path = Math.random() < LIVE_SHARE ? LIVE : PUBLISHED;
  const coding = codingAt(Math.random());
  if (!known) {
    lookUpUnknown(path, id, coding, { path: 'unknown', coding });
    return;
  }
  const tags = { path: path === LIVE ? 'live' : 'published', coding };
  const held = lookUp(path, id, coding, null, tags);
  if (again && held !== null) lookUp(path, id, coding, held, tags);
}
