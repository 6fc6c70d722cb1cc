//! How the three programs log: to stderr, as text for people or as JSON for what collects logs.
//!
//! `RUST_LOG` says what is logged, [`LogFormat`] how it is written. No line holds a student's id or name: an error that
//! may name a student is for the person who runs a program, and not for a log.

mod budget;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt,
    io::{self, IsTerminal},
    panic,
    str::FromStr,
    thread,
};

use tracing_subscriber::EnvFilter;

pub use budget::Budget;

use crate::{release::ReleaseError, shard::ShardError, source::SourceError};

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, target, message and fields; in colours on a terminal.
    #[default]
    Text,
    /// One JSON object for each line: `timestamp` (RFC 3339, UTC), `level`, `target`, `message`, and the fields beside
    /// them.
    Json,
}

/// The level of a program that somebody waits for: what goes wrong, and what is being done.
pub const QUIET: &str = "warn,results_day::progress=info";

/// What no `RUST_LOG` silences.
const LAST_WORDS: &str = "results_day::log=error";

/// Panics that are said in a second. Where a request panics, so may the next hundred thousand.
const PANICS: u32 = 10;

impl LogFormat {
    /// Starts logging for the whole program, at this level where `RUST_LOG` says nothing.
    pub fn start(self, level: &str) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
        // Whoever asks for one part of a program hears of its end all the same, and of panics.
        let filter = match LAST_WORDS.parse() {
            Ok(always) => filter.add_directive(always),
            Err(_) => filter,
        };
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        match self {
            Self::Text => lines.with_ansi(io::stderr().is_terminal()).init(),
            Self::Json => {
                lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init()
            }
        }
        log_panics();
    }

    /// Says why the program ends, as its last words: to a person at a terminal all of it, and to anything else what may be
    /// kept.
    pub fn failed(self, program: &str, error: &anyhow::Error) {
        match self {
            Self::Text if io::stderr().is_terminal() => eprintln!("{program}: {error:#}"),
            Self::Text => eprintln!("{program}: {}", for_a_log(error)),
            Self::Json => tracing::error!(program, error = for_a_log(error), "failed"),
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("a log is text or json".to_owned()),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Where the rest is to be had.
const NAMED: &str = "in a terminal the program names it";

/// What a log may hold of an error: all of it, down to what may name a student.
pub fn for_a_log(error: &anyhow::Error) -> String {
    let mut told = Vec::new();
    for cause in error.chain() {
        if let Some(unnamed) = without_a_name(cause) {
            told.push(unnamed);
            break;
        }
        told.push(cause.to_string());
    }
    told.join(": ")
}

/// What is said instead of what may name a student; `None` for what names nobody.
fn without_a_name(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<ReleaseError>() {
        return Some(error.for_a_log());
    }
    if let Some(SourceError::InvalidRow { .. }) = error.downcast_ref() {
        return Some(format!("a row is invalid; {NAMED}"));
    }
    error.is::<ShardError>().then(|| format!("a shard is damaged; {NAMED}"))
}

/// Logs where a panic happened, as any other error, and not what it says: that may hold an id.
fn log_panics() {
    let budget = Budget::of(PANICS);
    panic::set_hook(Box::new(move |panic| {
        let Some(unsaid) = budget.admits() else { return };
        let place = panic.location().map(ToString::to_string);
        let thread = thread::current();
        // Captured where RUST_BACKTRACE asks for it.
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(place, thread = thread.name(), backtrace, unsaid, "panicked; this is a bug");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_written_as_it_is_read() {
        for format in [LogFormat::Text, LogFormat::Json] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("JSON".parse::<LogFormat>(), Err("a log is text or json".to_owned()));
    }

    #[test]
    fn an_error_that_names_a_student_is_told_from_the_others_through_its_context() {
        let invalid = SourceError::InvalidRow { id: 7_654_321, problem: "the name is empty".to_owned() };
        let different = ReleaseError::Different {
            key: "shards/7".to_owned(),
            problem: "ids 7654321 to 7654322".to_owned(),
        };
        for error in [anyhow::Error::new(invalid), different.into()] {
            let told = for_a_log(&error.context("reading the students"));
            assert!(told.starts_with("reading the students: ") && !told.contains("7654321"), "{told}");
        }
        let error = anyhow::anyhow!("refused").context("no connection");
        assert_eq!(for_a_log(&error), "no connection: refused");
    }
}
