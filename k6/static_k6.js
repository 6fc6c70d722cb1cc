// The published documents: `GET /student/{id}.json`, by clients of three codings that sometimes ask again.

import { check, sleep } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import { BASE_URL, P95_MS, THINK, ask, isRight, number, options as scale, refuse, someId, succeed } from './lib.js';

const SUFFIX = { zstd: /-zs"$/, gzip: /-g\d"$/, identity: /-id"$/ };

// The shares of the codings, such as zstd=60,gzip=30,identity=10.
function mixture(text) {
  const shares = text.split(',').map((part) => {
    const [, coding, weight] = /^(zstd|gzip|identity)=(\d+)$/.exec(part) || [];
    if (coding === undefined) throw new Error(`MIX must be such as zstd=60,gzip=30,identity=10, and is "${text}"`);
    return { coding, weight: Number(weight) };
  });
  const sum = shares.reduce((total, { weight }) => total + weight, 0);
  if (sum === 0) throw new Error('MIX must have a share above 0');
  return shares.filter(({ weight }) => weight > 0).map(({ coding, weight }) => ({ coding, share: weight / sum }));
}

const MIX = mixture(__ENV.MIX || 'zstd=60,gzip=30,identity=10');
const REPEAT = number('REPEAT', 0.25, 0, 1);
const MIN_UNCHANGED = number('MIN_UNCHANGED', 0.99, 0, 1);

// A virtual user is one client and keeps its coding. Multiples of the golden ratio spread evenly over 0 to 1, so few
// virtual users have the right mixture too.
function codingOf(vu) {
  let place = (vu * 0.6180339887498949) % 1;
  for (const { coding, share } of MIX) {
    if (place < share) return coding;
    place -= share;
  }
  return MIX[MIX.length - 1].coding;
}

const bytes = new Trend('student_bytes'); // of a document's body, as it was sent
const notModified = new Counter('student_not_modified');
const changed = new Counter('student_changed'); // a repeat that brought another document: a correction came between
const unchanged = new Rate('student_unchanged'); // repeats that were answered 304

const thresholds = REPEAT > 0 ? { student_unchanged: [`rate>=${MIN_UNCHANGED}`] } : {};
for (const { coding } of MIX) {
  thresholds[`student_duration{coding:${coding}}`] = [`p(95)<${P95_MS}`];
  thresholds[`student_bytes{coding:${coding}}`] = ['min>=0']; // always so: it makes k6 show each coding
}

export const options = scale(thresholds);

const HEAD_CHECKS = {
  'the coding is the one asked for': ({ headers, coding }) =>
    (headers['Content-Encoding'] || 'identity') === coding,
  "the entity tag is this coding's": ({ headers, coding }) =>
    /^"[0-9a-f]{16}-.."$/.test(headers.Etag || '') && SUFFIX[coding].test(headers.Etag),
  'it varies by accept-encoding': ({ headers }) => /\baccept-encoding\b/i.test(headers.Vary || ''),
  'its length is told': ({ headers }) => Number(headers['Content-Length']) > 0,
};

const NOT_MODIFIED_CHECKS = {
  '304: the entity tag is the one sent': ({ headers, sent }) => headers.Etag === sent,
  '304: it varies by accept-encoding': ({ headers }) => /\baccept-encoding\b/i.test(headers.Vary || ''),
  '304: it has no body': ({ body }) => !body,
};

let last = null; // what this client keeps: { id, etag }

function get(coding, tags) {
  const again = last !== null && Math.random() < REPEAT ? last : null;
  const id = again ? again.id : someId();
  const headers = { 'Accept-Encoding': coding };
  if (again) headers['If-None-Match'] = again.etag;
  last = null;

  const response = ask(
    `${BASE_URL}/student/${id}.json`, '/student/{id}.json', headers, again ? [200, 304] : [200], tags);
  if (response === null) return;

  if (response.status === 304) {
    unchanged.add(true, tags);
    if (!check({ headers: response.headers, body: response.body, sent: again.etag }, NOT_MODIFIED_CHECKS)) {
      refuse(response, tags);
      return;
    }
    notModified.add(1, tags);
    last = again;
    succeed(tags);
    return;
  }

  if (again) unchanged.add(false, tags);
  // k6 has decoded the body, whichever of the three codings it had.
  const headIsRight = check({ headers: response.headers, coding }, HEAD_CHECKS);
  const bodyIsRight = isRight(response.body, id);
  const { Etag: etag, 'Content-Length': length } = response.headers;
  // What has the tag that was sent should have been a 304.
  if (!headIsRight || !bodyIsRight || (again && etag === again.etag)) {
    refuse(response, tags);
    return;
  }
  if (again) changed.add(1, tags);
  bytes.add(Number(length), tags);
  last = { id, etag };
  succeed(tags);
}

export default function () {
  const coding = codingOf(__VU);
  get(coding, { coding });
  sleep(THINK);
}
