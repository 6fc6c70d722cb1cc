use super::{ManifestError, ReleaseNumber, parts, reason::reason};
use crate::{
    shard::ShardError,
    student::{DocumentError, StudentId},
};

/// Why a release cannot be read, verified or committed. Each names the object it is about.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The store did not answer, or not as asked. It may answer later.
    #[error("{operation} {key} in the store: {}", reason(error))]
    Store {
        /// What was asked of the store.
        operation: &'static str,
        /// The object.
        key: String,
        /// The store's own word.
        error: object_store::Error,
    },
    /// The bucket's name leads nowhere.
    #[error("the bucket {bucket}: {problem}")]
    Bucket {
        /// The name.
        bucket: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two writers could both win.
    #[error(
        "the store at {place} does not honour create-if-absent: it let a second write to one key succeed; \
         releases can not be committed there"
    )]
    Unconditional {
        /// The store.
        place: String,
    },
    /// There is no such release.
    #[error("there is no release {0}")]
    Absent(ReleaseNumber),
    /// There is none at all, and there was.
    #[error(
        "the bucket holds no release, where it held release {0}; if it was emptied, publish, and otherwise bring it back"
    )]
    Emptied(ReleaseNumber),
    /// The release that there was is gone, and what there is now is not to be taken for it.
    #[error(
        "the bucket held release {lost}, which is gone; release {found}, which is there now, {problem}, so release {lost} \
         is held on to: bring it back, or publish what is to take its place"
    )]
    Lost {
        /// The release that was there.
        lost: ReleaseNumber,
        /// The current one.
        found: ReleaseNumber,
        /// Why it is not taken.
        problem: &'static str,
    },
    /// There was such a release, and it was collected.
    #[error("release {number} was collected at {collected}: only its number is left")]
    Collected {
        /// The release.
        number: ReleaseNumber,
        /// When.
        collected: jiff::Timestamp,
    },
    /// The release is not kept any more.
    #[error("release {number} was given up to collection; the oldest that is kept is {oldest}")]
    GivenUp {
        /// The release.
        number: ReleaseNumber,
        /// The oldest that is kept.
        oldest: ReleaseNumber,
    },
    /// A manifest cannot be used.
    #[error("the manifest {key}: {error}")]
    Manifest {
        /// Where it lies.
        key: String,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// An object does not hold what it should.
    #[error("{key} holds other bytes than it should: {problem}")]
    Different {
        /// Where it lies.
        key: String,
        /// What differs.
        problem: String,
    },
    /// A blob with the right hash is not a shard as its manifest describes it.
    #[error("the shard {key}: {error}")]
    Shard {
        /// Where it lies.
        key: String,
        /// What is wrong with it.
        error: ShardError,
    },
    /// A frame holds something other than its student's document.
    #[error("the shard {key}, student {id}: {error}")]
    Document {
        /// Where it lies.
        key: String,
        /// Whose frame it is.
        id: StudentId,
        /// What is wrong with the document.
        error: DocumentError,
    },
    /// A frame holds another student's document.
    #[error("the shard {key} holds the document of student {found} as that of {id}")]
    WrongStudent {
        /// Where it lies.
        key: String,
        /// Whose frame it is.
        id: StudentId,
        /// Whose document is in it.
        found: StudentId,
    },
}

impl ReleaseError {
    /// What a log may hold: which object is wrong, and nobody's id.
    pub fn for_a_log(&self) -> String {
        match self {
            // What is said of what those tell each other who publish in parts names nobody.
            Self::Different { key, .. } if parts::is_below(key) => self.to_string(),
            Self::Different { key, .. }
            | Self::Shard { key, .. }
            | Self::Document { key, .. }
            | Self::WrongStudent { key, .. }
            | Self::Manifest { key, error: ManifestError::Contradiction(_) } => {
                format!("{key} does not hold what it should; publish verify says what is wrong")
            }
            _ => self.to_string(),
        }
    }

    /// Whether the store gave no answer, not even that there is no such object: this says nothing about the release.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Store { error, .. } if !matches!(error, object_store::Error::NotFound { .. }))
    }

    /// Whether there may be another answer the next time: the store did not answer well, or what came was garbled.
    pub fn may_pass(&self) -> bool {
        use object_store::Error::{PermissionDenied, Unauthenticated};
        match self {
            Self::Store { error: PermissionDenied { .. } | Unauthenticated { .. }, .. } => false,
            Self::Different { .. } | Self::Manifest { .. } | Self::Bucket { .. } => true,
            _ => self.is_unanswered(),
        }
    }

    pub(super) fn store(operation: &'static str, key: impl ToString) -> impl Fn(object_store::Error) -> Self {
        let key = key.to_string();
        move |error| Self::Store { operation, key: key.clone(), error }
    }
}
