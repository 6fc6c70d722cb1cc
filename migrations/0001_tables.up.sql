-- The tables without the keys, so that a bulk load pays nothing for them: those come with the next migration.

CREATE TABLE students (
  id integer NOT NULL,
  name text NOT NULL,
  sex text NOT NULL,
  school text NOT NULL,
  region text NOT NULL,
  stream text NOT NULL
);

CREATE TABLE natural_science_results (
  student_id integer NOT NULL,
  english smallint NOT NULL,
  mathematics smallint NOT NULL,
  aptitude smallint NOT NULL,
  civics smallint NOT NULL,
  physics smallint NOT NULL,
  chemistry smallint NOT NULL,
  biology smallint NOT NULL
);

CREATE TABLE social_science_results (
  student_id integer NOT NULL,
  english smallint NOT NULL,
  mathematics smallint NOT NULL,
  aptitude smallint NOT NULL,
  civics smallint NOT NULL,
  geography smallint NOT NULL,
  history smallint NOT NULL,
  economics smallint NOT NULL
);

-- One row: which data set this is, and whether it may be published.
CREATE TABLE data_set (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id text NOT NULL,
  seed text NOT NULL,
  students integer NOT NULL,
  complete boolean NOT NULL DEFAULT false
);

-- The parts that the data set is loaded in. A part is marked in the transaction that loads it, so that any
-- number of seeders do each other's work, and whoever takes up after a dead one loads just what is missing.
CREATE TABLE seed_batches (
  first_id integer PRIMARY KEY,
  last_id integer NOT NULL,
  loaded boolean NOT NULL DEFAULT false
);

-- One row per student ever changed; student 0 is everybody. `changed` is the transaction that did it, and
-- `token` is 64 random bits, because a restored backup uses transactions again.
CREATE TABLE changes (
  student_id integer PRIMARY KEY CHECK (student_id BETWEEN 0 AND 999999999),
  changed xid8 NOT NULL,
  token bigint NOT NULL
);
CREATE INDEX changes_by_transaction ON changes (changed);

-- A row for every publication: a database that lacks it was restored from an earlier backup.
CREATE TABLE release_tokens (token text PRIMARY KEY);
