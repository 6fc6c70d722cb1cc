use clap::Args;
use results_day::release::{Part, RunName};

/// The flags of `publish` that concern publications in parts.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Flags {
    /// Publish together with so many other runs of this program, each with --part, on any machines: hold the snapshot
    /// that all of them read, and commit what they bring
    ///
    /// The release is the one that a plain publish would make. Whoever dies can be started again: the parts start over
    /// with the next attempt. It needs PostgreSQL.
    #[arg(long, value_name = "N", group = "in_parts", requires = "run", conflicts_with = "watch",
          value_parser = clap::value_parser!(u16).range(1..=i64::from(Part::MOST)))]
    parts: Option<u16>,

    /// Do one share of a publication that a run with --parts N commits; K counts from 0, as JOB_COMPLETION_INDEX of a
    /// Kubernetes Indexed Job does
    ///
    /// Ends when the release is committed, or when nothing has changed; fails where nobody commits for ten minutes.
    #[arg(long, value_name = "K/N", group = "in_parts", requires = "run",
          conflicts_with_all = ["watch", "not_before"])]
    part: Option<Part>,

    /// What this one publication is called, by all who make it together and by whoever of them is started again: up to
    /// 63 letters, digits, dots, hyphens and underscores
    ///
    /// One run is one release at most. Whoever is started when it is out, or when there was nothing to publish, says so
    /// and ends; another publication needs another name.
    #[arg(long, value_name = "NAME", requires = "in_parts")]
    run: Option<RunName>,
}

/// What a run of `publish` has to do with parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It publishes on its own.
    Alone,
    /// It commits what so many parts bring.
    Committer(RunName, u16),
    /// It is one of the parts.
    Part(RunName, Part),
}

impl Flags {
    /// What is asked for.
    pub fn role(&self) -> Role {
        match (self.run.clone(), self.parts, self.part) {
            (Some(run), Some(parts), _) => Role::Committer(run, parts),
            (Some(run), None, Some(part)) => Role::Part(run, part),
            _ => Role::Alone,
        }
    }
}
