// The original's load test: `GET /student/{id}`, the live API, by up to 3,000 virtual users.

import { sleep } from 'k6';
import { BASE_URL, THINK, ask, brokenInDocument, options as scale, refuse, someId, succeed } from './lib.js';

export const options = scale();

export default function () {
  const id = someId();
  const response = ask(`${BASE_URL}/student/${id}`, '/student/{id}', {}, [200], {});
  if (response !== null) {
    const broken = brokenInDocument(response.body, id);
    if (broken.length === 0) succeed({});
    else refuse(response, {}, broken);
  }
  sleep(THINK);
}
