use bytes::Bytes;
use futures::TryFutureExt;
use object_store::{Error, ObjectStoreExt, path::Path};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    super::{
        Attempt, FORMAT, ReleaseError, ReleaseStore,
        retry::{BLIP, retried},
        seal::{seal, unseal},
    },
    AttemptPlan, FOLDER, Part, PartReport,
};

/// A nation's report has about 120 KB; one of this size is hostile.
const MAX: u64 = 256 << 20;

/// What the plan of an attempt is called in the attempt's folder.
const PLAN: &str = "plan.json";

impl ReleaseStore {
    /// Tells the parts of an attempt.
    pub async fn open_attempt(&self, plan: &AttemptPlan) -> Result<(), ReleaseError> {
        // Nobody else has this key: one that is there is our own put, repeated below us.
        self.create_json(&path(&plan.attempt, PLAN), plan).await
    }

    /// The attempts of which there is a plan, the newest first by the store's clock. Two that were opened in one instant
    /// have an order all the same, and everybody sees the same one.
    pub async fn attempts(&self) -> Result<Vec<Attempt>, ReleaseError> {
        let listed = self.list(FOLDER).await?;
        let mut attempts: Vec<_> = listed
            .into_iter()
            .filter_map(|object| Some((object.last_modified, attempt_of(&object.location)?)))
            .collect();
        attempts.sort_unstable_by(|a, b| b.cmp(a));
        Ok(attempts.into_iter().map(|(_, attempt)| attempt).collect())
    }

    /// The plan of an attempt; `None` where a collection has taken it away.
    pub async fn attempt_plan(&self, attempt: &Attempt) -> Result<Option<AttemptPlan>, ReleaseError> {
        let path = path(attempt, PLAN);
        let plan: Option<AttemptPlan> = self.read_json(&path).await?;
        match plan {
            Some(plan) if plan.attempt != *attempt || plan.format != FORMAT => {
                Err(different(&path, format!("it is of attempt {} and format {}", plan.attempt, plan.format)))
            }
            plan => Ok(plan),
        }
    }

    /// Hands in the report of a part. The first one stands: of two runs of one part both have brought the same shards.
    pub async fn hand_in(&self, report: &PartReport) -> Result<(), ReleaseError> {
        self.create_json(&report_path(&report.attempt, report.part), report).await
    }

    /// What lies where this part's report for this attempt belongs, if anything does. One of another attempt or another
    /// number of parts is refused.
    pub async fn report(&self, plan: &AttemptPlan, part: Part) -> Result<Option<PartReport>, ReleaseError> {
        let path = report_path(&plan.attempt, part.index());
        let report: Option<PartReport> = self.read_json(&path).await?;
        match report {
            Some(report) if !report.is_of(plan, part) || report.format != FORMAT => {
                let PartReport { attempt, part: index, parts, format, .. } = &report;
                let said = format!("part {index}/{parts} of attempt {attempt} in format {format}");
                let asked = format!("part {part} of attempt {} in format {FORMAT}", plan.attempt);
                Err(different(&path, format!("it is the report of {said}, and not of {asked}")))
            }
            report => Ok(report),
        }
    }

    /// Creates an object unless it is there.
    async fn create_json(&self, path: &Path, fields: &impl Serialize) -> Result<(), ReleaseError> {
        let json = serde_json::to_vec(fields).map_err(|error| different(path, error.to_string()))?;
        match self.create(path, seal(json).into()).await {
            Ok(()) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(()),
            Err(error) => Err(ReleaseError::store("writing", path)(error)),
        }
    }

    async fn read_json<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, ReleaseError> {
        retried(BLIP, || self.read_json_once(path)).await
    }

    async fn read_json_once<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, ReleaseError> {
        let found = match self.objects.get(path).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(ReleaseError::store("reading", path))?,
        };
        if found.meta.size > MAX {
            return Err(different(path, format!("{} bytes are more than it can have", found.meta.size)));
        }
        let json: Bytes = found.bytes().map_err(ReleaseError::store("reading", path)).await?;
        let fields = unseal(&json).and_then(|object| Ok(serde_json::from_slice(&object)?));
        fields.map(Some).map_err(|error| different(path, error.to_string()))
    }
}

fn path(attempt: &Attempt, name: &str) -> Path {
    Path::from(format!("{FOLDER}/{attempt}/{name}"))
}

fn report_path(attempt: &Attempt, index: u16) -> Path {
    path(attempt, &format!("{index}.json"))
}

/// The attempt whose plan lies at `path`; `None` for anything else that lies in the folder.
fn attempt_of(path: &Path) -> Option<Attempt> {
    let folder = path.as_ref().strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(PLAN)?;
    folder.strip_suffix('/')?.parse().ok()
}

fn different(path: &Path, problem: String) -> ReleaseError {
    ReleaseError::Different { key: path.to_string(), problem }
}
