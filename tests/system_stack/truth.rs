use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What may be answered for students who are corrected while the tests run: the correction number `n` calls the
/// student `v<n>`.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    corrections: Mutex<BTreeMap<u32, Vec<Correction>>>,
    outages: Mutex<Vec<(Instant, Option<Instant>)>>,
}

#[derive(Debug, Clone, Copy)]
struct Correction {
    number: u64,
    /// When the database said that it is committed; `None` while it has not.
    committed: Option<Instant>,
}

/// How long after its commit a correction may be unseen while the database is reachable.
const LATENCY: Duration = Duration::from_secs(1);

/// How long after an outage of the database its corrections may be unseen: the servers' longest pause between two
/// tries, and a moment.
const RECOVERY: Duration = Duration::from_secs(3);

/// The one truth about the one stack.
pub(crate) static TRUTH: LazyLock<Truth> = LazyLock::new(Truth::default);

impl Truth {
    /// The statement that makes a correction, to be followed by [`Self::committed`].
    pub(crate) fn correct(&self, id: u32, number: u64) -> String {
        self.lock().entry(id).or_default().push(Correction { number, committed: None });
        format!("UPDATE students SET name = 'v{number}' WHERE id = {id} RETURNING id")
    }

    pub(crate) fn committed(&self, id: u32, number: u64) {
        let mut corrections = self.lock();
        let correction = corrections.entry(id).or_default().iter_mut().find(|made| made.number == number);
        correction.unwrap().committed = Some(Instant::now());
    }

    /// The database is going away.
    pub(crate) fn outage_begins(&self) {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), None));
    }

    /// It is back.
    pub(crate) fn outage_ends(&self) {
        let mut outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        outages.last_mut().unwrap().1 = Some(Instant::now());
    }

    /// What is wrong with this document as the answer to a request that was sent at `asked`; `None` if nothing is.
    pub(crate) fn fault(&self, id: u32, document: &[u8], asked: Instant) -> Option<String> {
        let student: serde_json::Value = match serde_json::from_slice(document) {
            Ok(student) => student,
            Err(error) => return Some(format!("no JSON: {error}")),
        };
        if student["id"] != id {
            return Some(format!("{} was answered for {id}", student["id"]));
        }
        let (Some(marks), Some(name)) = (student["results"].as_object(), student["name"].as_str()) else {
            return Some(format!("{id} has no results or no name"));
        };
        if Some(marks.values().filter_map(serde_json::Value::as_u64).sum()) != student["total"].as_u64() {
            return Some(format!("the marks of {id} do not add up"));
        }
        let shown: u64 = name.strip_prefix('v').and_then(|number| number.parse().ok()).unwrap_or(0);
        let corrections = self.lock();
        let made = corrections.get(&id)?;
        if shown > 0 && !made.iter().any(|correction| correction.number == shown) {
            return Some(format!("{id} never had correction {shown}"));
        }
        let newer = made.iter().filter(|correction| correction.number > shown);
        let mut overdue = newer.filter(|correction| {
            correction.committed.is_some_and(|committed| self.known_since(committed) < asked)
        });
        let missed = overdue.next()?;
        Some(format!("{id} was shown correction {shown} after {} had long been committed", missed.number))
    }

    /// From when on everybody must know what was committed at that instant.
    fn known_since(&self, committed: Instant) -> Instant {
        let outages = self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = committed + LATENCY;
        for (begun, ended) in outages.iter() {
            if *begun < known {
                // While it lasts, nothing can be asked of what came just before it.
                let over = ended.map_or_else(|| Instant::now() + RECOVERY, |ended| ended + RECOVERY);
                known = if over > committed { known.max(over) } else { known };
            }
        }
        known
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Vec<Correction>>> {
        self.corrections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
