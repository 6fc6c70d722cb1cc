use bytes::Bytes;

use super::super::Entry;
use crate::{
    changes::Standing,
    shard::Width,
    student::{RENDERER, StudentId},
};

/// The key of the hash that holds these students. Documents of another renderer are others.
pub(super) fn key(data_set: &str, block: u32) -> String {
    format!("results-day:{data_set}:{RENDERER}:{block}")
}

/// The key of what says how far a preload came.
pub(super) fn preload_key(data_set: &str) -> String {
    format!("results-day:{data_set}:{RENDERER}:preload")
}

/// Which hash holds the student. A thousand students make a real hash table, and few enough keys to look over.
/// (Raising Redis' limit for compact lists to a thousand entries would make each look-up ten times slower.)
pub(super) fn block(id: StudentId) -> u32 {
    Width::DENSE.prefix(id)
}

pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let mut value = Vec::new();
    write(&entry.standing, |value| value.extend(entry.document.as_deref().unwrap_or_default()), &mut value);
    value
}

/// Appends an entry whose document `render` appends.
pub(super) fn write(standing: &Standing, render: impl FnOnce(&mut Vec<u8>), value: &mut Vec<u8>) {
    // A struct of numbers always serializes; and a value that did not would be one that decodes to nothing.
    let _infallible = serde_json::to_writer(&mut *value, standing);
    value.push(b'\n');
    render(value);
}

/// `None` for a value that is no entry.
pub(super) fn decode(value: Vec<u8>) -> Option<Entry> {
    let line = value.iter().position(|byte| *byte == b'\n')?;
    let standing: Standing = serde_json::from_slice(&value[..line]).ok()?;
    // JSON is patient: a document, say, reads as a standing in which nothing is said.
    let document = Bytes::from(value);
    let entry = Entry { standing, document: (document.len() > line + 1).then(|| document.slice(line + 1..)) };
    (encode(&entry) == document).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::Change;

    #[test]
    fn an_entry_is_two_lines_that_a_person_can_read() {
        let standing = Standing {
            own: Some(Change { transaction: 812, token: u64::MAX }),
            everything: Some(Change { transaction: 740, token: 7 }),
        };
        for (document, text) in [(Some("{\"id\":5}\n"), "{\"id\":5}\n"), (None, "")] {
            let entry = Entry { standing, document: document.map(Bytes::from) };
            let value = encode(&entry);
            let expected = format!("{{\"own\":[812,18446744073709551615],\"everything\":[740,7]}}\n{text}");
            assert_eq!(String::from_utf8(value.clone()).unwrap(), expected);
            assert_eq!(decode(value), Some(entry));
        }
    }

    #[test]
    fn what_is_no_entry_is_nothing() {
        for value in ["", "\n", "{}", "{\"id\":5}\n", "{\"own\":[1],\"everything\":null}\n{}\n", "\u{0}"] {
            assert_eq!(decode(value.into()), None, "{value:?}");
        }
    }
}
