-- So that the planner knows that a thousand ids share a block, and counts the blocks by all processors at once.
CREATE STATISTICS students_blocks ON (id / 1000) FROM students;
