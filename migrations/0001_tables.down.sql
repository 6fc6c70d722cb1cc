DROP TABLE release_tokens, changes, seed_batches, data_set, social_science_results, natural_science_results, students;
