// One look-up of a document by a client of one coding, which may hold an earlier answer; every promise is checked.

import { Counter, Rate, Trend } from 'k6/metrics';
import { BASE_URL, P95_MS, ask, broken, brokenInDocument, number, refuse, succeed } from './lib.js';

export const PUBLISHED = '/student/{id}.json';
export const LIVE = '/student/{id}';

// ---- the codings ----

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

// The coding at a place from 0 to 1 of the mixture.
export function codingAt(place) {
  for (const { coding, share } of MIX) {
    if (place < share) return coding;
    place -= share;
  }
  return MIX[MIX.length - 1].coding;
}

// ---- what is measured ----

export const REPEAT = number('REPEAT', 0.25, 0, 1);
const MIN_UNCHANGED = number('MIN_UNCHANGED', 0.99, 0, 1);

const bytes = new Trend('student_bytes'); // of a document's body, as it was sent
const notModified = new Counter('student_not_modified');
const changed = new Counter('student_changed'); // a repeat that brought another document: a correction came between
const unchanged = new Rate('student_unchanged'); // repeats that were answered 304

export const thresholds = REPEAT > 0 ? { student_unchanged: [`rate>=${MIN_UNCHANGED}`] } : {};
for (const { coding } of MIX) {
  thresholds[`student_duration{coding:${coding}}`] = [`p(95)<${P95_MS}`];
  thresholds[`student_bytes{coding:${coding}}`] = ['min>=0']; // always so: it makes k6 show each coding
}

// ---- what is checked ----

const SUFFIX = { zstd: /-zs"$/, gzip: /-g\d"$/, identity: /-id"$/ };
const POLICY = { [PUBLISHED]: /^(public, max-age=\d+\b|no-cache$)/, [LIVE]: /^no-cache$/ };

const HEAD_CHECKS = {
  'the coding is the one asked for': ({ headers, coding }) =>
    (headers['Content-Encoding'] || 'identity') === coding,
  "the entity tag is this coding's": ({ headers, coding }) =>
    /^"[0-9a-f]{16}-.."$/.test(headers.Etag || '') && SUFFIX[coding].test(headers.Etag),
  'it varies by accept-encoding': ({ headers }) => /\baccept-encoding\b/i.test(headers.Vary || ''),
  'what the client holds is answered by 304': ({ headers, held }) => headers.Etag !== held,
  'its length is told': ({ headers }) => Number(headers['Content-Length']) > 0,
  'caches may keep it as long as its path allows': ({ headers, path }) =>
    POLICY[path].test(headers['Cache-Control'] || ''),
};

const NOT_MODIFIED_CHECKS = {
  '304: the entity tag is the one sent': ({ headers, held }) => headers.Etag === held,
  '304: it varies by accept-encoding': ({ headers }) => /\baccept-encoding\b/i.test(headers.Vary || ''),
  '304: it has no body': ({ body }) => !body,
};

// Asks for the student at `path`, one of the two above. `held` is the entity tag of what the client has got before,
// or null. Returns the entity tag of what it has now, or null if the answer was not right.
export function lookUp(path, id, coding, held, tags) {
  const headers = { 'Accept-Encoding': coding };
  if (held !== null) headers['If-None-Match'] = held;
  const response = ask(BASE_URL + path.replace('{id}', id), path, headers, held !== null ? [200, 304] : [200], tags);
  if (response === null) return null;

  if (held !== null) unchanged.add(response.status === 304, tags);
  if (response.status === 304) {
    const wrong = broken({ headers: response.headers, body: response.body, held }, NOT_MODIFIED_CHECKS);
    if (wrong.length > 0) {
      refuse(response, tags, wrong);
      return null;
    }
    notModified.add(1, tags);
    succeed(tags);
    return held;
  }

  // k6 has decoded the body, whichever of the three codings it had.
  const wrong = broken({ headers: response.headers, coding, path, held }, HEAD_CHECKS)
    .concat(brokenInDocument(response.body, id));
  if (wrong.length > 0) {
    refuse(response, tags, wrong);
    return null;
  }
  const { Etag: etag, 'Content-Length': length } = response.headers;
  if (held !== null) changed.add(1, tags);
  bytes.add(Number(length), tags);
  succeed(tags);
  return etag;
}
