use std::borrow::Borrow;

use bytes::Bytes;
use results_day::{
    shard::{Compressor, ShardWriter},
    student::{self, StudentId, generator::Generator},
};

/// The document of the generated student with this id.
pub(crate) fn document(id: StudentId) -> Vec<u8> {
    let mut document = Vec::new();
    student::render(&Generator::new(1).student(id), &mut document);
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
