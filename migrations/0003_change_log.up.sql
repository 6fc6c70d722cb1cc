-- From here on every change of a student is logged, in the transaction that makes it.

-- Logs students as changed, in id order, so that writers who log the same ones wait for each other and do not
-- deadlock. Student 0 is everybody: the owner who loads round the triggers calls log_changes('{0}') in the same
-- transaction. In REPEATABLE READ and above a writer can meet a serialization failure (40001) here, and tries again.
--
-- The functions run as their owner, so that whoever may correct a mark need not be allowed to touch the log, and
-- with a search path of their own, so that nobody's temporary table stands in for it. What they call is named with
-- its schema: a function in public with the very types of the arguments would go before the system's general one.
CREATE FUNCTION log_changes(ids integer[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  INSERT INTO changes (student_id, changed, token)
  SELECT id, pg_catalog.pg_current_xact_id(), pg_catalog.uuid_hash_extended(pg_catalog.gen_random_uuid(), 0::bigint)
  FROM (SELECT DISTINCT pg_catalog.unnest(ids) AS id ORDER BY id) AS changed_students
  ON CONFLICT (student_id) DO UPDATE SET changed = excluded.changed, token = excluded.token
$$;
-- Or anybody could send everybody to the live path.
REVOKE EXECUTE ON FUNCTION log_changes(integer[]) FROM PUBLIC;

CREATE FUNCTION log_changed_students() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
  CASE TG_OP
    WHEN 'INSERT' THEN PERFORM public.log_changes(pg_catalog.array_agg(id)) FROM new_rows;
    WHEN 'DELETE' THEN PERFORM public.log_changes(pg_catalog.array_agg(id)) FROM old_rows;
    WHEN 'UPDATE' THEN PERFORM public.log_changes(pg_catalog.array_agg(id))
      FROM (SELECT id FROM old_rows UNION ALL SELECT id FROM new_rows) AS old_and_new_rows;
  END CASE;
  RETURN NULL;
END
$$;

CREATE FUNCTION log_changed_results() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
  CASE TG_OP
    WHEN 'INSERT' THEN PERFORM public.log_changes(pg_catalog.array_agg(student_id)) FROM new_rows;
    WHEN 'DELETE' THEN PERFORM public.log_changes(pg_catalog.array_agg(student_id)) FROM old_rows;
    WHEN 'UPDATE' THEN PERFORM public.log_changes(pg_catalog.array_agg(student_id))
      FROM (SELECT student_id FROM old_rows UNION ALL SELECT student_id FROM new_rows) AS old_and_new_rows;
  END CASE;
  RETURN NULL;
END
$$;

CREATE FUNCTION log_truncation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
  PERFORM public.log_changes('{0}');
  RETURN NULL;
END
$$;

-- Four triggers on each of the three tables: <table>_insert_logged, _update_, _delete_, _truncate_. ALWAYS: a
-- session with session_replication_role = replica does not slip past them.
DO $$
DECLARE
  tracked record;
  event record;
BEGIN
  FOR tracked IN
    SELECT * FROM (VALUES
      ('students', 'log_changed_students'),
      ('natural_science_results', 'log_changed_results'),
      ('social_science_results', 'log_changed_results')
    ) AS tracked (name, log)
  LOOP
    FOR event IN
      SELECT * FROM (VALUES
        ('insert', 'REFERENCING NEW TABLE AS new_rows', tracked.log),
        ('update', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows', tracked.log),
        ('delete', 'REFERENCING OLD TABLE AS old_rows', tracked.log),
        ('truncate', '', 'log_truncation')
      ) AS event (name, rows, log)
    LOOP
      EXECUTE format(
        'CREATE TRIGGER %1$I AFTER %2$s ON %3$I %4$s FOR EACH STATEMENT EXECUTE FUNCTION %5$I()',
        format('%s_%s_logged', tracked.name, event.name), event.name, tracked.name, event.rows, event.log
      );
      EXECUTE format(
        'ALTER TABLE %I ENABLE ALWAYS TRIGGER %I',
        tracked.name, format('%s_%s_logged', tracked.name, event.name)
      );
    END LOOP;
  END LOOP;
END
$$;

-- The log holds one row for each student ever changed, and a server that cannot find one believes the release.
CREATE FUNCTION refuse_to_forget() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'the change log is never pruned: without its rows superseded results would be served';
END
$$;
CREATE TRIGGER changes_are_kept BEFORE DELETE OR TRUNCATE ON changes
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();
ALTER TABLE changes ENABLE ALWAYS TRIGGER changes_are_kept;

-- What came before was not logged: the load, or corrections while this migration was reverted.
SELECT log_changes('{0}');
