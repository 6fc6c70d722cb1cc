// A steady load of random students for as long as it is left to run. Whoever starts it ends it with SIGINT, and reads in
// the summary how many requests failed.

import http from 'k6/http';
import { check } from 'k6';

const { BASE_URL, STUDENTS, RATE } = __ENV;

export const options = {
  scenarios: {
    load: {
      executor: 'constant-arrival-rate',
      rate: Number(RATE),
      duration: '30m',
      preAllocatedVUs: 50,
      maxVUs: 500,
    },
  },
  systemTags: ['status', 'error_code'],
};

export default function () {
  const id = 1 + Math.floor(Math.random() * Number(STUDENTS));
  const answer = http.get(`${BASE_URL}/student/${id}.json`);
  check(answer, {
    'the student is answered': ({ status, body }) => status === 200 && body.startsWith(`{"id":${id},`),
  });
}
