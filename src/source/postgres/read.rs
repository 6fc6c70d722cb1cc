//! Reads the nation, or ranges of it, in id order.

use std::ops::RangeInclusive;

use futures::{TryStreamExt, stream::BoxStream};
use sqlx::PgConnection;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    super::{SourceError, row::StudentRow},
    copy::{Decoder, Fields},
};
use crate::student::{MARKS, Stream, Student};

/// Ranges that follow each other are read by one statement for each table, up to so many: planning costs as much as
/// reading some dozens of students. It is also how many batches a stream may be ahead, so that both are at work.
const RUN: usize = 8;

/// Reads the ranges over connections that see one snapshot, and sends the students of each as one batch. The
/// connections end with it: one whose stream was not read to its end is good for nothing else.
pub(super) async fn read(
    connections: Vec<PgConnection>,
    ranges: &[RangeInclusive<u32>],
    batches: mpsc::Sender<Vec<Student>>,
) -> Result<(), SourceError> {
    // The streams take the runs in turn, and each is a few batches ahead of those that are handed on.
    let runs = runs(ranges);
    let streams = connections.len();
    let mut reading = JoinSet::new();
    let mut read = Vec::new();
    for (place, connection) in connections.into_iter().enumerate() {
        let runs: Vec<_> = runs.iter().skip(place).step_by(streams).map(|run| run.to_vec()).collect();
        let (sender, receiver) = mpsc::channel(RUN);
        reading.spawn(read_each(connection, runs, sender));
        read.push(receiver);
    }
    'all: for (place, run) in runs.iter().enumerate() {
        for _ in *run {
            let Some(batch) = read[place % streams].recv().await else { break 'all };
            if batches.send(batch).await.is_err() {
                break 'all;
            }
        }
    }
    drop(read);
    while let Some(ended) = reading.join_next().await {
        ended.map_err(|died| SourceError::Unavailable(format!("a reader died: {died}")))??;
    }
    Ok(())
}

/// Parts the ranges into runs, in each of which every range begins where the one before it ends.
fn runs(ranges: &[RangeInclusive<u32>]) -> Vec<&[RangeInclusive<u32>]> {
    let follows = |a: &RangeInclusive<u32>, b: &RangeInclusive<u32>| {
        a.start() <= a.end() && b.start() <= b.end() && a.end().checked_add(1) == Some(*b.start())
    };
    ranges.chunk_by(follows).flat_map(|run| run.chunks(RUN)).collect()
}

/// Reads runs one after the other until nobody takes them any more.
async fn read_each(
    mut connection: PgConnection,
    runs: Vec<Vec<RangeInclusive<u32>>>,
    batches: mpsc::Sender<Vec<Student>>,
) -> Result<(), SourceError> {
    for run in runs {
        if !read_run(&mut connection, &run, &batches).await? {
            break;
        }
    }
    Ok(())
}

/// Reads ranges that follow each other, and sends each as a batch. `false` where nobody takes them any more.
///
/// The tables are copied one after the other and joined here: it spares the database a quarter of its work.
async fn read_run(
    connection: &mut PgConnection,
    run: &[RangeInclusive<u32>],
    batches: &mpsc::Sender<Vec<Student>>,
) -> Result<bool, SourceError> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(true) };
    let ids = *first.start()..=*last.end();
    let mut natural = Marks::read(connection, Stream::NaturalScience, &ids).await?;
    let mut social = Marks::read(connection, Stream::SocialScience, &ids).await?;
    let mut rows =
        Rows::copy(connection, "students", "id, name, sex, school, region, stream", "id", &ids).await?;
    let mut students = Vec::new();
    let mut ends = run.iter().map(RangeInclusive::end).peekable();
    while rows.arrive().await? {
        while let Some(mut row) = rows.next()? {
            let id = row.int4()?.unwrap_or_default();
            let [name, sex, school, region, stream] =
                [row.text()?, row.text()?, row.text()?, row.text()?, row.text()?];
            let (natural, social) = (natural.of(id), social.of(id));
            let marks = if stream == Stream::NaturalScience.as_str() { natural } else { social };
            let marks = marks.map(|mark| mark.map(i64::from));
            let row = StudentRow { id: i64::from(id), name, sex, school, region, stream, marks };
            let Some(student) = row.student()? else { continue };
            // Everybody of the ranges before this student's has come.
            while ends.next_if(|end| **end < student.id.get()).is_some() {
                if batches.send(std::mem::take(&mut students)).await.is_err() {
                    return Ok(false);
                }
            }
            students.push(student);
        }
    }
    for _ in ends {
        if batches.send(std::mem::take(&mut students)).await.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The results of one stream, in id order; taken as the students come by.
struct Marks(std::iter::Peekable<std::vec::IntoIter<(i32, [Option<i16>; MARKS])>>);

impl Marks {
    async fn read(
        connection: &mut PgConnection,
        stream: Stream,
        ids: &RangeInclusive<u32>,
    ) -> Result<Self, SourceError> {
        let (table, columns) =
            (format!("{}_results", stream.as_str()), format!("student_id, {}", stream.subjects().join(", ")));
        let mut rows = Rows::copy(connection, &table, &columns, "student_id", ids).await?;
        let mut results = Vec::new();
        while rows.arrive().await? {
            while let Some(mut row) = rows.next()? {
                let id = row.int4()?.unwrap_or_default();
                let mut marks = [None; MARKS];
                for mark in &mut marks {
                    *mark = row.int2()?;
                }
                results.push((id, marks));
            }
        }
        Ok(Self(results.into_iter().peekable()))
    }

    /// The marks of a student who comes behind those asked for before; none where there is no row.
    fn of(&mut self, student: i32) -> [Option<i16>; MARKS] {
        while self.0.next_if(|(id, _)| *id < student).is_some() {}
        self.0.next_if(|(id, _)| *id == student).map_or([None; MARKS], |(_, marks)| marks)
    }
}

/// The rows of one COPY.
struct Rows<'a> {
    pieces: BoxStream<'a, Result<bytes::Bytes, sqlx::Error>>,
    decoder: Decoder,
}

impl<'a> Rows<'a> {
    async fn copy(
        connection: &'a mut PgConnection,
        table: &str,
        columns: &str,
        id: &str,
        ids: &RangeInclusive<u32>,
    ) -> Result<Self, SourceError> {
        let (first, last) = (ids.start(), ids.end());
        let copy = format!(
            "COPY (SELECT {columns} FROM {table} WHERE {id} BETWEEN {first} AND {last} ORDER BY {id}) \
             TO STDOUT (FORMAT binary)"
        );
        Ok(Self { pieces: connection.copy_out_raw(&copy).await?, decoder: Decoder::default() })
    }

    /// Waits for more; `false` at the end.
    async fn arrive(&mut self) -> Result<bool, SourceError> {
        match self.pieces.try_next().await? {
            Some(piece) => {
                self.decoder.push(&piece);
                Ok(true)
            }
            None if self.decoder.is_complete() => Ok(false),
            None => Err(SourceError::Unavailable("a COPY ended before its end".to_owned())),
        }
    }

    /// The next row of those that have arrived.
    fn next(&mut self) -> Result<Option<Fields<'_>>, SourceError> {
        self.decoder.next_row()
    }
}
