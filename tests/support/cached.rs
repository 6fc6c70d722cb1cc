//! What a Redis holds of a board's results, seen with other eyes than the library's.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::collections::BTreeMap;

use super::{board::Board, servers::Redis};

/// The database's name of its data set.
pub(crate) fn data_set(board: &Board) -> String {
    board.value("SELECT id::text FROM data_set")
}

/// Every entry of a data set: the standing and the document, by student.
pub(crate) fn entries(redis: &Redis, data_set: &str) -> BTreeMap<u32, String> {
    let mut connection = redis.connection();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("results-day:{data_set}:*")).query(&mut connection).unwrap();
    let blocks = keys.iter().filter(|key| !key.ends_with(":preload"));
    let mut entries = BTreeMap::new();
    for key in blocks {
        let block: BTreeMap<u32, String> = redis::cmd("HGETALL").arg(key).query(&mut connection).unwrap();
        let number: u32 = key.rsplit(':').next().unwrap().parse().unwrap();
        assert!(block.keys().all(|id| id / 1_000 == number), "{key}");
        entries.extend(block);
    }
    entries
}

/// How many students each thousand has an entry of.
pub(crate) fn lengths(redis: &Redis, data_set: &str) -> BTreeMap<u32, usize> {
    let mut lengths = BTreeMap::new();
    for id in entries(redis, data_set).into_keys() {
        *lengths.entry(id / 1_000).or_default() += 1;
    }
    lengths
}

/// How many keys there are at all.
pub(crate) fn keys(redis: &Redis) -> u64 {
    redis::cmd("DBSIZE").query(&mut redis.connection()).unwrap()
}

/// How often a command was called since the server started.
pub(crate) fn calls(redis: &Redis, command: &str) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut redis.connection()).unwrap();
    let start = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// How many programs are connected, this question aside.
pub(crate) fn clients(redis: &Redis) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut redis.connection()).unwrap();
    list.lines().count() - 1
}

/// The standing of a student by the log, as an entry's first line has it.
pub(crate) fn standing(board: &Board, id: u32) -> String {
    let change = |id: u32| {
        board.value(&format!(
            "SELECT coalesce((SELECT '[' || changed::text || ',' || \
                              (token::numeric + CASE WHEN token < 0 THEN 18446744073709551616 ELSE 0 END)::text || ']' \
                              FROM changes WHERE student_id = {id}), 'null')"
        ))
    };
    format!("{{\"own\":{},\"everything\":{}}}\n", change(id), change(0))
}
