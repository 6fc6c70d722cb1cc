use std::{borrow::Borrow, sync::LazyLock};

use bytes::Bytes;
use results_day::{
    shard::{Compressor, ShardWriter},
    student::{self, StudentId, generator::Generator},
};

/// The document of the generated student with this id.
pub(crate) fn document(id: StudentId) -> Vec<u8> {
    static NATION: LazyLock<Generator> = LazyLock::new(|| Generator::new(1));
    let mut document = Vec::new();
    student::render(&NATION.student(id), &mut document);
    document
}

/// The shard of these documents, which come in id order.
pub(crate) fn blob<I: Borrow<StudentId>, D: AsRef<[u8]>>(
    documents: impl IntoIterator<Item = (I, D)>,
) -> Bytes {
    let mut compressor = Compressor::new().unwrap();
    let mut shard = ShardWriter::new(0);
    for (id, document) in documents {
        shard.push(*id.borrow(), document.as_ref(), &mut compressor).unwrap();
    }
    shard.finish().unwrap().into()
}
