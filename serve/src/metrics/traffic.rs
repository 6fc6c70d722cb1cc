use std::{fmt, time::Instant};

use http::Response;
use results_day::metrics::Families;

use super::{
    counters::Counters,
    histogram::Histogram,
    requests::{KINDS, Kind, ORIGINS, Route},
};
use crate::http::Problem;

/// What all workers have answered, each counted by itself.
///
/// There is one for the whole life of the program, as there is of what it serves.
#[derive(Debug)]
pub(crate) struct Traffic(Vec<Tally>);

/// What one worker has answered. It has its cache lines to itself (processors fetch them in pairs, of 128 bytes): cores
/// that count in one line would wait for each other at every request.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    requests: Counters<KINDS>,
    took: [Histogram; ORIGINS.len()],
    problems: Counters<{ Problem::NAMES.len() }>,
    accepted: Counters<1>,
    closed: Counters<1>,
}

/// A request that has not been answered yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    at: Instant,
    route: Route,
}

/// A connection, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Connected(&'static Tally);

impl Traffic {
    pub(crate) fn for_the_whole_program(workers: usize) -> &'static Self {
        Box::leak(Box::new(Self((0..workers).map(|_| Tally::default()).collect())))
    }

    /// One for each worker.
    pub(crate) fn tallies(&'static self) -> impl Iterator<Item = &'static Tally> {
        self.0.iter()
    }

    pub(super) fn tell(&self, families: &mut Families<'_>) -> fmt::Result {
        let sum = |of: &dyn Fn(&Tally) -> u64| self.0.iter().map(of).sum::<u64>();
        families.counter(
            "serve_requests_total",
            "Answers, by what was asked for, how it was answered, and from where.",
            Kind::all()
                .map(|kind| (kind, sum(&|tally| tally.requests.counted(kind.place()))))
                .filter(|(kind, answers)| *answers > 0 || kind.is_usual())
                .map(|(kind, answers)| (kind.labels(), answers)),
        )?;
        families.histogram(
            "serve_request_duration_seconds",
            "From the parsed request to the answer that is handed to the connection, by where it came from.",
            ORIGINS.iter().enumerate().map(|(place, origin)| {
                ([("origin", *origin)], Histogram::together(self.0.iter().map(|tally| &tally.took[place])))
            }),
        )?;
        families.counter(
            "serve_problems_total",
            "Answers without a document, by the type of the problem.",
            Problem::NAMES
                .iter()
                .enumerate()
                .map(|(place, name)| ([("problem", *name)], sum(&|tally| tally.problems.counted(place)))),
        )?;
        let closed = sum(&|tally| tally.closed.counted(0));
        let accepted = sum(&|tally| tally.accepted.counted(0));
        families.gauge(
            "serve_connections",
            "Connections that are open.",
            [([], accepted.saturating_sub(closed))],
        )?;
        families.counter(
            "serve_connections_accepted_total",
            "Connections that were ever accepted.",
            [([], accepted)],
        )
    }
}

impl Tally {
    /// A request for this path has just been read.
    pub(crate) fn asked(path: &str) -> Asked {
        Asked { at: Instant::now(), route: Route::of(path) }
    }

    /// Its answer is there.
    pub(crate) fn answered<B>(&self, asked: Asked, response: &Response<B>) {
        let kind = Kind::of(asked.route, response);
        self.requests.count(kind.place());
        self.took[kind.origin].observe(asked.at.elapsed());
        if let Some(problem) = response.extensions().get::<Problem>() {
            self.problems.count(problem.number());
        }
    }

    /// A connection begins, and ends when what is returned is dropped.
    pub(crate) fn connected(&'static self) -> Connected {
        self.accepted.count(0);
        Connected(self)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.closed.count(0);
    }
}
