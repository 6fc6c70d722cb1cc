use std::{fmt, num::NonZeroU64, str::FromStr};

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::Digest;
use crate::random;

/// The number of a release: 1, 2, 3 … The greatest is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "NonZeroU64", into = "u64")]
pub struct ReleaseNumber(u64);

/// One try of `publish` to commit, named by 64 random bits: 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Attempt(String);

/// Where a shard lies: its prefix, what is in it, and the try that wrote it. Immutable: a key is never
/// written twice with different bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShardKey {
    /// The ids' common prefix: id divided by the width.
    pub prefix: u32,
    /// The hash of the blob.
    pub digest: Digest,
    /// The try that uploaded the blob.
    pub attempt: Attempt,
}

/// Why a text is not part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a release's number.
    #[error("a release has a number from 1 up, without a sign or leading zeros")]
    Number,
    /// Not a SHA-256.
    #[error("a digest has 64 lower-case hexadecimal digits")]
    Digest,
    /// Not an attempt.
    #[error("an attempt has 16 lower-case hexadecimal digits")]
    Attempt,
    /// Not a shard's key.
    #[error("a shard's key is shards/<prefix>/<digest>-<attempt>.json.zst")]
    Shard,
}

impl ReleaseNumber {
    /// The number of the first release.
    pub const FIRST: Self = Self(1);
    /// The folder of the manifests.
    pub(super) const FOLDER: &'static str = "releases";
    /// So many digits hold every 64-bit number, and names sort as numbers do.
    const DIGITS: usize = 20;

    /// The number after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number as such.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Where the manifest lies: `releases/<20 digits>.json`.
    pub fn path(self) -> Path {
        let Self(number) = self;
        Path::from(format!("{}/{number:0digits$}.json", Self::FOLDER, digits = Self::DIGITS))
    }

    /// The number whose manifest lies at `path`; `None` for anything else that lies in the folder.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let digits = path.filename()?.strip_suffix(".json")?;
        let number = Self(digits.parse().ok().filter(|number| *number > 0)?);
        (number.path() == *path).then_some(number)
    }
}

impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ReleaseNumber {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let number = text.parse::<NonZeroU64>().map(Self::from).map_err(|_| KeyError::Number)?;
        if number.to_string() == text { Ok(number) } else { Err(KeyError::Number) }
    }
}

impl From<NonZeroU64> for ReleaseNumber {
    fn from(number: NonZeroU64) -> Self {
        Self(number.get())
    }
}

impl From<ReleaseNumber> for u64 {
    fn from(number: ReleaseNumber) -> Self {
        number.0
    }
}

impl Attempt {
    /// A new one.
    pub fn random() -> Self {
        Self(random::hex_u64())
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Attempt {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let valid = text.len() == 16 && text.bytes().all(hexadecimal);
        if valid { Ok(Self(text.to_owned())) } else { Err(KeyError::Attempt) }
    }
}

impl TryFrom<String> for Attempt {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<Attempt> for String {
    fn from(attempt: Attempt) -> Self {
        attempt.0
    }
}

impl ShardKey {
    /// The folder of the blobs.
    pub(super) const FOLDER: &'static str = "shards";

    /// Where the blob lies.
    pub fn path(&self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, digest, attempt } = self;
        write!(f, "shards/{prefix}/{digest}-{attempt}.json.zst")
    }
}

impl FromStr for ShardKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let parts = || {
            let (prefix, name) = text.strip_prefix("shards/")?.split_once('/')?;
            let (digest, attempt) = name.strip_suffix(".json.zst")?.split_once('-')?;
            Some((prefix, digest, attempt))
        };
        let (prefix, digest, attempt) = parts().ok_or(KeyError::Shard)?;
        let prefix = prefix.parse().map_err(|_| KeyError::Shard)?;
        let key = Self { prefix, digest: digest.parse()?, attempt: attempt.parse()? };
        // A prefix with a sign or leading zeros would be a second name of the same shard.
        if key.to_string() == text { Ok(key) } else { Err(KeyError::Shard) }
    }
}

impl TryFrom<String> for ShardKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<ShardKey> for String {
    fn from(key: ShardKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_number_has_one_path_and_the_path_one_number() {
        let number: ReleaseNumber = "42".parse().unwrap();
        assert_eq!(number.path().as_ref(), "releases/00000000000000000042.json");
        assert_eq!(ReleaseNumber::at(&number.path()), Some(number));
        for path in ["releases/42.json", "releases/00000000000000000042.json.tmp", "releases/x.json"] {
            assert_eq!(ReleaseNumber::at(&Path::from(path)), None, "{path}");
        }
        assert_eq!(ReleaseNumber::at(&Path::from("releases/00000000000000000000.json")), None);
    }

    #[test]
    fn a_shard_key_has_one_text_and_the_text_one_key() {
        let key = ShardKey { prefix: 123, digest: Digest::of(b"blob"), attempt: Attempt::random() };
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        assert_eq!(key.path().as_ref(), key.to_string());
        let text = key.to_string();
        for wrong in [
            text.replace("/123/", "/0123/"),
            text.replace("/123/", "/+123/"),
            text.replace("/123/", "/../"),
            text.replace("shards/", "/shards/"),
            text.replace(".zst", ""),
            text.to_uppercase(),
        ] {
            assert!(wrong.parse::<ShardKey>().is_err(), "{wrong}");
        }
    }
}
