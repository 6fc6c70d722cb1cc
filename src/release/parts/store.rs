use bytes::Bytes;
use futures::TryFutureExt;
use object_store::{Error, ObjectStoreExt, path::Path};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    super::{
        Attempt, FORMAT, ManifestError, ReleaseError, ReleaseStore,
        retry::{BLIP, retried},
        seal::{seal, unseal},
    },
    AttemptPlan, FOLDER, Part, PartReport, RunName, RunStart,
};

/// A nation's report has about 120 KB; one of this size is hostile.
const MAX: u64 = 256 << 20;

/// What says how a run began, in the run's folder.
const START: &str = "start.json";

/// What the plan of an attempt is called in the attempt's folder.
const PLAN: &str = "plan.json";

impl ReleaseStore {
    /// Begins a run, and says how it began: the first of those who begin one run has said it for all.
    pub async fn begin_run(&self, start: &RunStart) -> Result<RunStart, ReleaseError> {
        let path = Path::from(format!("{FOLDER}/{}/{START}", start.run));
        self.create_json(&path, start).await?;
        let found: Option<RunStart> = self.read_json(&path).await?;
        let found = found.ok_or_else(|| different(&path, "it was written and is not there".to_owned()))?;
        match found.run == start.run && found.format == FORMAT {
            true => Ok(found),
            false => Err(different(&path, format!("it is of run {} and format {}", found.run, found.format))),
        }
    }

    /// Tells the parts of an attempt.
    pub async fn open_attempt(&self, plan: &AttemptPlan) -> Result<(), ReleaseError> {
        // Nobody else has this key: one that is there is our own put, repeated below us.
        self.create_json(&path(&plan.run, &plan.attempt, PLAN), plan).await
    }

    /// The attempts of a run of which there is a plan, the newest first by the store's clock. Two that were opened in one
    /// instant have an order all the same, and everybody sees the same one.
    pub async fn attempts(&self, run: &RunName) -> Result<Vec<Attempt>, ReleaseError> {
        let folder = format!("{FOLDER}/{run}");
        let listed = self.list(&folder).await?;
        let mut attempts: Vec<_> = listed
            .into_iter()
            .filter_map(|object| Some((object.last_modified, attempt_of(&folder, &object.location)?)))
            .collect();
        attempts.sort_unstable_by(|a, b| b.cmp(a));
        Ok(attempts.into_iter().map(|(_, attempt)| attempt).collect())
    }

    /// The plan of an attempt; `None` where a collection has taken it away.
    pub async fn attempt_plan(
        &self,
        run: &RunName,
        attempt: &Attempt,
    ) -> Result<Option<AttemptPlan>, ReleaseError> {
        let path = path(run, attempt, PLAN);
        let plan: Option<AttemptPlan> = self.read_json(&path).await?;
        match plan {
            Some(plan) if plan.run != *run || plan.attempt != *attempt || plan.format != FORMAT => {
                let AttemptPlan { run, attempt, format, .. } = plan;
                Err(different(&path, format!("it is of attempt {attempt} of run {run}, in format {format}")))
            }
            plan => Ok(plan),
        }
    }

    /// Hands in the report of a part. The first one stands: of two runs of one part both have brought the same shards.
    pub async fn hand_in(&self, run: &RunName, report: &PartReport) -> Result<(), ReleaseError> {
        self.create_json(&report_path(run, &report.attempt, report.part), report).await
    }

    /// What lies where this part's report for this attempt belongs, if anything does. One of another attempt or another
    /// number of parts is refused.
    pub async fn report(&self, plan: &AttemptPlan, part: Part) -> Result<Option<PartReport>, ReleaseError> {
        let path = report_path(&plan.run, &plan.attempt, part.index());
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
        fields.map(Some).map_err(|error| match error {
            // Its text may repeat a student's id.
            ManifestError::Json(error) => {
                different(path, format!("its fields are others, see column {}", error.column()))
            }
            error => different(path, error.to_string()),
        })
    }
}

fn path(run: &RunName, attempt: &Attempt, name: &str) -> Path {
    Path::from(format!("{FOLDER}/{run}/{attempt}/{name}"))
}

fn report_path(run: &RunName, attempt: &Attempt, index: u16) -> Path {
    path(run, attempt, &format!("{index}.json"))
}

/// The attempt whose plan lies at `path` in a run's folder; `None` for anything else that lies there.
fn attempt_of(folder: &str, path: &Path) -> Option<Attempt> {
    let attempt = path.as_ref().strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(PLAN)?;
    attempt.strip_suffix('/')?.parse().ok()
}

fn different(path: &Path, problem: String) -> ReleaseError {
    ReleaseError::Different { key: path.to_string(), problem }
}
