use std::sync::LazyLock;

use super::{
    super::{ChangesSince, SourceError},
    connect::CONNECTION,
    pool::Pool,
    schema,
};
use crate::{
    changes::{Change, Changed, Snapshot},
    student::StudentId,
};

/// What one poll reads, all of it at one instant: whether the answer can be believed, the rows that a snapshot
/// did not see, and the snapshot to ask with next.
static POLL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (SELECT id FROM data_set), (SELECT complete FROM data_set), pg_is_in_recovery(), \
                concat_ws('-', current_setting('{CONNECTION}'), to_regclass('changes')::oid), ({}), \
                pg_current_snapshot()::text, \
                array_agg(student_id), array_agg(changed), array_agg(token) \
         FROM ({UNSEEN}) AS news (student_id, changed, token)",
        schema::WAYS_ROUND
    )
});

/// The rows that a snapshot did not see, given what [`unseen`] says of it.
///
/// A change that a snapshot did not see was made by a transaction that was in progress then, or came later: two
/// look-ups in the index, however many changes there were before and however old a transaction holds back `xmin`.
pub(super) const UNSEEN: &str = "SELECT student_id, changed::text::bigint, token FROM changes WHERE changed >= $1::text::xid8 \
     UNION ALL \
     SELECT student_id, changed::text::bigint, token FROM changes WHERE changed = ANY ($2::text::xid8[])";

/// The parameters of [`UNSEEN`].
pub(super) fn unseen(since: &Snapshot) -> (String, String) {
    let in_progress: Vec<_> = since.in_progress().iter().map(u64::to_string).collect();
    (since.xmax().to_string(), format!("{{{}}}", in_progress.join(",")))
}

type Poll = (
    Option<String>,
    Option<bool>,
    bool,
    String,
    Option<Vec<String>>,
    String,
    Option<Vec<i32>>,
    Option<Vec<i64>>,
    Option<Vec<i64>>,
);

pub(super) async fn changes_since(
    pool: &Pool,
    since: &Snapshot,
    place: &str,
) -> Result<ChangesSince, SourceError> {
    let (xmax, in_progress) = unseen(since);
    let mut asked = pool.take().await?;
    let (data_set, complete, standby, incarnation, ways_round, snapshot, students, transactions, tokens): Poll =
        sqlx::query_as(POLL.as_str())
            .bind(xmax)
            .bind(in_progress)
            .fetch_one(asked.connection())
            .await?;
    asked.give_back();
    if standby {
        return Err(schema::standby(place));
    }
    let (Some(data_set), Some(complete)) = (data_set, complete) else {
        return Err(schema::anonymous(place));
    };
    if let Some(ways_round) = ways_round.filter(|_| complete) {
        return Err(schema::unlogged(place, &ways_round));
    }
    let students = students.unwrap_or_default();
    let changes = transactions.unwrap_or_default().into_iter().zip(tokens.unwrap_or_default());
    let rows = students.into_iter().zip(changes).map(|(student, change)| row(student, change));
    Ok(ChangesSince {
        data_set,
        // Before the database can be in an earlier state, or another in its place, all connections are lost. Only a
        // dump that is restored in the place of the tables leaves them, and makes the tables anew.
        incarnation,
        rows: rows.collect(),
        snapshot: parse(&snapshot)?,
    })
}

/// Reads a row of the log: student 0 is everybody, and both numbers are unsigned. An id that nobody can have is
/// everybody's too, because whoever wrote it meant somebody.
pub(super) fn row(student: i32, (transaction, token): (i64, i64)) -> (Changed, Change) {
    let id = u32::try_from(student).ok().and_then(|number| StudentId::new(number).ok());
    let change = Change { transaction: transaction.unsigned_abs(), token: token.cast_unsigned() };
    (id.map_or(Changed::Everything, Changed::Student), change)
}

pub(super) fn parse(snapshot: &str) -> Result<Snapshot, SourceError> {
    snapshot.parse().map_err(|error| SourceError::Unusable(format!("the database's snapshot: {error}")))
}
