//! The last member of a manifest is the hash of everything before it: a digit that was flipped in a store or on the way
//! may leave good JSON, and would be another release.

use super::{Digest, ManifestError};

/// What stands before and behind the 64 digits.
const BEFORE: &[u8] = b",\"sha256\":\"";
const BEHIND: &[u8] = b"\"}\n";
const DIGITS: usize = 64;

/// Ends a JSON object with the hash of what it holds so far.
pub(super) fn seal(mut object: Vec<u8>) -> Vec<u8> {
    object.pop_if(|last| *last == b'}');
    let digest = Digest::of(&object).to_string();
    [&object[..], BEFORE, digest.as_bytes(), BEHIND].concat()
}

/// The JSON object as it was before it was sealed.
pub(super) fn unseal(json: &[u8]) -> Result<Vec<u8>, ManifestError> {
    let parts = json.strip_suffix(BEHIND).and_then(|json| {
        let (json, digest) = json.split_at_checked(json.len().checked_sub(DIGITS)?)?;
        Some((json.strip_suffix(BEFORE)?, digest))
    });
    let (object, digest) = parts.ok_or(ManifestError::Unsealed)?;
    match Digest::of(object).to_string().as_bytes() == digest {
        true => Ok([object, b"}"].concat()),
        false => Err(ManifestError::Checksum),
    }
}
