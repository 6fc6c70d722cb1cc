-- Keys and rules, each checked once over what was loaded.

SET LOCAL maintenance_work_mem = '256MB';

ALTER TABLE students
  ADD PRIMARY KEY (id),
  ADD CHECK (id BETWEEN 1 AND 999999999 AND sex IN ('F', 'M') AND stream IN ('natural_science', 'social_science'));

ALTER TABLE natural_science_results
  ADD PRIMARY KEY (student_id),
  ADD FOREIGN KEY (student_id) REFERENCES students ON UPDATE CASCADE ON DELETE CASCADE,
  ADD CHECK (
    english BETWEEN 0 AND 100 AND mathematics BETWEEN 0 AND 100 AND aptitude BETWEEN 0 AND 100
    AND civics BETWEEN 0 AND 100 AND physics BETWEEN 0 AND 100 AND chemistry BETWEEN 0 AND 100
    AND biology BETWEEN 0 AND 100
  );

ALTER TABLE social_science_results
  ADD PRIMARY KEY (student_id),
  ADD FOREIGN KEY (student_id) REFERENCES students ON UPDATE CASCADE ON DELETE CASCADE,
  ADD CHECK (
    english BETWEEN 0 AND 100 AND mathematics BETWEEN 0 AND 100 AND aptitude BETWEEN 0 AND 100
    AND civics BETWEEN 0 AND 100 AND geography BETWEEN 0 AND 100 AND history BETWEEN 0 AND 100
    AND economics BETWEEN 0 AND 100
  );
