// The plan of results day: how many ask, when, and for whom. Every figure follows from the scale in the environment.

import { FIRST_ID, LAST_ID, integer, milliseconds, number } from './lib.js';
import { REPEAT } from './document.js';

// ---- when: half of all look-ups in the first tenth of the time ----

// [place in the day, arrivals per second by those of the peak], with straight lines between, from nothing at the
// start. The area up to 0.1 is 0.005 + 0.03 + 0.036 = 0.071, and behind it 0.029 + 0.042 = 0.071.
const SHAPE = [[0.01, 1], [0.04, 1], [0.1, 0.2], [0.3, 0.09], [1, 0.03]];
const AREA = 0.142; // so the peak is seven times the mean

// Half of the nation's look-ups come in ten minutes, so the day of the model is a hundred.
const DURATION = milliseconds('DURATION', 6000000);
const SECONDS = DURATION / 1000;
if (DURATION < 1000) throw new Error('DURATION must be at least 1s: the first tenth of it holds half of the look-ups');

// In arrivals an hour, because k6 wants whole numbers and a short run ends with few a second.
export const TIME_UNIT = '1h';
export function stages(iterations) {
  const peak = (3600 * iterations) / (AREA * SECONDS);
  let before = 0;
  return SHAPE.map(([place, height]) => {
    const duration = `${Math.round(DURATION * place) - Math.round(DURATION * before)}ms`;
    before = place;
    return { duration, target: Math.max(1, Math.round(peak * height)) };
  });
}

// ---- how many: twenty to thirty look-ups of each student ----

const PER_STUDENT = 25;
const UNKNOWN = number('UNKNOWN', 0.02, 0, 0.5);

function students() {
  const given = ['ASKED_STUDENTS', 'TOTAL', 'PEAK'].filter((name) => __ENV[name]);
  if (given.length > 1) throw new Error(`${given.join(' and ')} all set the scale: give one of them`);
  const most = LAST_ID - FIRST_ID + 1;
  const total = number('TOTAL', 0, 1, 1e9) || number('PEAK', 0, 1, 1e6) * AREA * SECONDS;
  const wanted = total > 0 ? Math.max(1, Math.round((total * (1 - UNKNOWN)) / PER_STUDENT)) : most;
  if (wanted > most) {
    throw new Error(`${Math.round(total)} look-ups are ${PER_STUDENT} for each of ${wanted} students, ` +
      `and FIRST_ID to LAST_ID are ${most}: ask for fewer, or widen the range`);
  }
  return integer('ASKED_STUDENTS', wanted, 1, most);
}

export const STUDENTS = students();

// A visit is a look-up, and every REPEAT-th of a student's visits is followed by a second, conditional one. `goes` are
// the visits that bring the student to at least `wanted` look-ups.
const repeats = (goes) => Math.floor(goes * REPEAT + 1e-9); // 1e-9: ten tenths are one
function visitsFor(wanted) {
  let goes = 1;
  while (goes + repeats(goes) < wanted) goes += 1;
  return goes;
}

// Eleven students are a block: the first is looked up 20 times, the last 30, and so the mean is 25.
const VISITS = Array.from({ length: 11 }, (_, place) => visitsFor(PER_STUDENT - 5 + place));
const LOOK_UPS = VISITS.map((goes) => goes + repeats(goes));
const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);
const ofAll = (perPlace) =>
  Math.floor(STUDENTS / 11) * sum(perPlace) + sum(perPlace.slice(0, STUDENTS % 11));

const BLOCK = VISITS.flatMap((goes, place) => Array.from({ length: goes }, (_, visit) => ({ place, visit })));
const ALL_VISITS = ofAll(VISITS);
const KNOWN_LOOK_UPS = ofAll(LOOK_UPS);
const UNKNOWN_LOOK_UPS = Math.round((KNOWN_LOOK_UPS * UNKNOWN) / (1 - UNKNOWN));

export const ITERATIONS = ALL_VISITS + UNKNOWN_LOOK_UPS;
export const TOTAL = KNOWN_LOOK_UPS + UNKNOWN_LOOK_UPS;
export const PEAK = ITERATIONS / (AREA * SECONDS); // iterations a second

// ---- for whom ----

// The visits of one student lie all over the day, as its arrivals do, and each is made once: so what is needed is a
// permutation of all visits that looks random and that every virtual user can compute for itself. This is a Feistel
// network over 2 × BITS bits; a number that is not one of a visit is sent through again.
const BITS = Math.max(1, Math.ceil(Math.log2(ALL_VISITS) / 2));
const MASK = 2 ** BITS - 1;
if (BITS > 15) throw new Error('so many look-ups are too many for one run: at most 2^30 visits');

function scrambled(half, round) {
  let x = Math.imul(half + round * 0x1e35a7bd, 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return (x ^ (x >>> 15)) & MASK;
}

function permuted(visit) {
  let n = visit;
  do {
    let left = n >>> BITS;
    let right = n & MASK;
    for (let round = 1; round <= 4; round += 1) [left, right] = [right, left ^ scrambled(right, round)];
    n = (left << BITS) | right;
  } while (n >= ALL_VISITS);
  return n;
}

const UNKNOWN_SHARE = UNKNOWN_LOOK_UPS / ITERATIONS;
const UNKNOWN_FIRST_ID = integer('UNKNOWN_FIRST_ID', 900000000, 1, 999999999);
if (UNKNOWN > 0 && UNKNOWN_FIRST_ID <= LAST_ID) throw new Error('UNKNOWN_FIRST_ID must be greater than LAST_ID');

// What the `iteration`-th arrival of the day asks, counted from 0: { id, known, again }.
export function visit(iteration) {
  const unknownBefore = Math.floor(iteration * UNKNOWN_SHARE);
  if (Math.floor((iteration + 1) * UNKNOWN_SHARE) > unknownBefore) {
    const id = UNKNOWN_FIRST_ID + Math.floor(Math.random() * (1e9 - UNKNOWN_FIRST_ID));
    return { id, known: false, again: false };
  }
  const slot = permuted((iteration - unknownBefore) % ALL_VISITS);
  const { place, visit: goes } = BLOCK[slot % BLOCK.length];
  const student = Math.floor(slot / BLOCK.length) * 11 + place;
  return { id: idOf(student), known: true, again: repeats(goes + 1) > repeats(goes) };
}

// The students of the day are spread evenly over the range; `corrections` does the same with the same ASKED_STUDENTS.
function idOf(student) {
  return FIRST_ID + Math.floor((student * (LAST_ID - FIRST_ID + 1)) / STUDENTS);
}
