ALTER TABLE social_science_results
  DROP CONSTRAINT social_science_results_student_id_fkey,
  DROP CONSTRAINT social_science_results_check,
  DROP CONSTRAINT social_science_results_pkey;

ALTER TABLE natural_science_results
  DROP CONSTRAINT natural_science_results_student_id_fkey,
  DROP CONSTRAINT natural_science_results_check,
  DROP CONSTRAINT natural_science_results_pkey;

ALTER TABLE students
  DROP CONSTRAINT students_check,
  DROP CONSTRAINT students_pkey;
