// The published documents: `GET /student/{id}.json`, by clients of three codings that sometimes ask again.

import { sleep } from 'k6';
import { PUBLISHED, REPEAT, codingAt, lookUp, thresholds } from './document.js';
import { THINK, options as scale, someId } from './lib.js';

export const options = scale(thresholds);

// A virtual user is one client and keeps its coding. Multiples of the golden ratio spread evenly over 0 to 1, so few
// virtual users have the right mixture too.
const GOLDEN = 0.6180339887498949;

let last = null; // what this client keeps: { id, etag }

export default function () {
  const coding = codingAt((__VU * GOLDEN) % 1);
  const { id, etag } = last !== null && Math.random() < REPEAT ? last : { id: someId(), etag: null };
  const held = lookUp(PUBLISHED, id, coding, etag, { coding });
  last = held === null ? null : { id, etag: held };
  sleep(THINK);
}
