DROP FUNCTION refuse_to_forget() CASCADE;
DROP FUNCTION log_truncation() CASCADE;
DROP FUNCTION log_changed_results() CASCADE;
DROP FUNCTION log_changed_students() CASCADE;
DROP FUNCTION log_changes(integer[]);
