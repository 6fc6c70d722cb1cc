//! Writes one small valid input for each fuzz target, so that a fuzzer starts behind the magic numbers.

use std::{error::Error, fs, path::Path};

use results_day::{
    release::{Digest, ShardKey},
    shard::{Compressor, ENCODER, ShardWriter},
    student::{RENDERER, StudentId},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut compressor = Compressor::new()?;
    let mut shard = ShardWriter::new(3);
    for number in [7, 8, 300] {
        let document = format!("{{\"id\":{number},\"total\":480}}\n");
        shard.push(StudentId::new(number)?, document.as_bytes(), &mut compressor)?;
    }
    let blob = shard.finish()?;

    let key = ShardKey { prefix: 0, digest: Digest::of(&blob), attempt: "0123456789abcdef".parse()? };
    let manifest = format!(
        "{{\"format\":1,\"number\":1,\"parent\":null,\"repeats\":null,\"oldest\":1,\"attempt\":\"{}\",\"created\":\"2026-07-01T06:00:00Z\",\
         \"not_before\":null,\"renderer\":{RENDERER},\"encoder\":\"{ENCODER}\",\"source\":{{\"data_set\":\"d\",\"system\":\"s\",\
         \"token\":\"t\",\"snapshot\":\"749:755:749,752\"}},\"width\":1000,\"students\":3,\"first_id\":7,\
         \"last_id\":300,\"shards\":[{{\"key\":\"{key}\",\"bytes\":{},\"students\":3,\"first_id\":7,\
         \"last_id\":300}}]}}\n",
        key.attempt,
        blob.len()
    );
    // The target adds the hash.
    serde_json::from_str::<results_day::release::Manifest>(&manifest)?;

    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seed) in [("shard", blob), ("manifest", manifest.into_bytes())] {
        fs::create_dir_all(corpus.join(target))?;
        fs::write(corpus.join(target).join("seed"), seed)?;
    }
    println!("seeds are in {}", corpus.display());
    Ok(())
}
