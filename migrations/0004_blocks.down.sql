DROP STATISTICS students_blocks;
