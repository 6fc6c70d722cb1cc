use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    stack::{Corrector, STUDENTS},
    system::{Answer, Client, Instants},
    truth::TRUTH,
};

/// Clients that ask without pause until they are told to stop, and judge every answer.
pub(crate) struct Load {
    clients: Vec<thread::JoinHandle<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    stop: AtomicBool,
    answered: AtomicU64,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    faults: Mutex<Vec<String>>,
}

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Tally {
    /// How often each kind of answer came.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Everything that must not be.
    pub(crate) faults: Vec<String>,
}

/// Students who are corrected while the load runs, one in so many.
const CORRECTED: u32 = 100;

impl Load {
    /// Starts clients of this address, each with a connection that it keeps.
    pub(crate) fn start(address: &str, clients: usize) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            counts: Mutex::default(),
            faults: Mutex::default(),
        });
        let clients = (0..clients).map(|number| {
            let (address, shared) = (address.to_owned(), shared.clone());
            thread::spawn(move || ask_on(&address, number as u64, &shared))
        });
        Self { clients: clients.collect(), shared }
    }

    /// Waits until so many more answers have come.
    pub(crate) fn answers(&self, more: u64) {
        let wanted = self.shared.answered.load(Ordering::Relaxed) + more;
        crate::system::within(Duration::from_secs(60), "the load is answered", || {
            (self.shared.answered.load(Ordering::Relaxed) >= wanted).then_some(())
        });
    }

    /// Ends the load.
    pub(crate) fn tally(self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Tally { counts, faults }
    }
}

impl Tally {
    /// How often this kind of answer came.
    pub(crate) fn of(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// Asserts that nothing happened which must not.
    #[track_caller]
    pub(crate) fn is_faultless(&self) {
        let few = &self.faults[..self.faults.len().min(5)];
        assert!(self.faults.is_empty(), "{} faults, {:?}; {few:#?}", self.faults.len(), self.counts);
    }
}

impl Shared {
    fn count(&self, kind: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    fn fault(&self, fault: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    fn judge(&self, id: u32, answer: &Answer, asked: Instant) {
        match answer.status {
            200 => {
                let cache_status = answer.header("cache-status").unwrap_or_default();
                self.count(match cache_status {
                    "results-day;hit" => "published",
                    _ if cache_status.ends_with("detail=cache") => "live, from the cache",
                    _ => "live, from the database",
                });
                if let Some(fault) = TRUTH.fault(id, &answer.body, asked) {
                    self.fault(format!("{fault} ({cache_status})"));
                }
            }
            503 => {
                self.count("told to come back");
                if !id.is_multiple_of(CORRECTED) || answer.header("retry-after").is_none() {
                    self.fault(format!("{id} was refused: {}", String::from_utf8_lossy(&answer.body)));
                }
            }
            other => {
                self.fault(format!("{id} was answered {other}: {}", String::from_utf8_lossy(&answer.body)))
            }
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks for one student after the other, every fourth time for one who is corrected.
fn ask_on(address: &str, number: u64, shared: &Shared) {
    let mut random = Instants(number);
    let mut client = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let any = 1 + random.below(u64::from(STUDENTS)) as u32;
        let id = if random.below(4) == 0 { (any / CORRECTED).max(1) * CORRECTED } else { any };
        let asked = Instant::now();
        let mut connected = match client.take().map_or_else(|| Client::tcp(address), Ok) {
            Ok(connected) => connected,
            Err(error) => {
                shared.fault(format!("no connection: {error}"));
                continue;
            }
        };
        let request = format!("GET /student/{id}.json HTTP/1.1\r\nHost: results\r\n\r\n");
        let sent = connected.send(request.as_bytes());
        match sent.and_then(|()| connected.receive("GET")) {
            Ok(Some(answer)) => {
                shared.judge(id, &answer, asked);
                client = Some(connected);
            }
            // A front may close an idle connection just when it is used again.
            Ok(None) => shared.count("connection closed before an answer"),
            Err(error) => shared.fault(format!("an answer was cut: {error}")),
        }
    }
}

/// Corrects students, one after the other, until it is dropped.
pub(crate) struct Corrections {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<u64>>,
}

impl Corrections {
    /// Corrections that go on through the death of the database.
    pub(crate) fn start(url: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, stopped) = (url.to_owned(), stop.clone());
        let correct = move || {
            static NUMBER: AtomicU64 = AtomicU64::new(1);
            let mut random = Instants(7);
            let mut corrector = Corrector::connect(&url);
            let mut committed = 0;
            while !stopped.load(Ordering::Relaxed) {
                let id = (1 + random.below(u64::from(STUDENTS / CORRECTED)) as u32) * CORRECTED;
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                if corrector.commit(&TRUTH.correct(id, number)) {
                    TRUTH.committed(id, number);
                    committed += 1;
                    random.pass(Duration::from_millis(10));
                } else {
                    random.pass(Duration::from_millis(200));
                    corrector = Corrector::connect(&url);
                }
            }
            committed
        };
        Self { stop, thread: Some(thread::spawn(correct)) }
    }

    /// Ends the corrections; how many were committed.
    pub(crate) fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Corrections {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
