//! The units of `infra/systemd` are what systemd understands, and shut their programs in as tightly as promised. No
//! running systemd is needed: `systemd-analyze` reads the files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

/// Tenths of what `systemd-analyze security` calls the exposure; below 20 it says OK, and a unit without any sandbox
/// has 96. What is left is the network, local sockets and the host's own root directory, and for the servers and
/// NGINX the low ports and their users' real names.
const SERVICES: [(&str, u32); 5] = [
    ("results-day-serve@1.service", 14),
    ("results-day-watch.service", 11),
    ("results-day-publish.service", 11),
    ("results-day-collect.service", 11),
    ("results-day-nginx.service", 14),
];

#[test]
fn systemd_understands_every_unit() {
    let units = units();
    let mut files: Vec<_> = SERVICES.map(|(unit, _)| unit).into();
    files.push("results-day-collect.timer");
    // A unit that is not whole would be taken for a part of a running system's.
    let files = files.into_iter().map(|unit| units.path().join(unit));
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(files).output().unwrap();
    let said = said(&verified);
    assert!(verified.status.success(), "{said}");
    // An unknown setting is a warning, and the unit runs without it.
    assert!(!said.contains("results-day"), "{said}");
}

#[test]
fn every_service_is_shut_in() {
    let units = units();
    for (unit, exposure) in SERVICES {
        let analyzed = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", &format!("--threshold={exposure}"), unit])
            .current_dir(units.path())
            .output()
            .unwrap();
        assert!(analyzed.status.success(), "{}", said(&analyzed));
    }
}

#[test]
fn no_unit_holds_a_secret() {
    for unit in fs::read_dir("infra/systemd").unwrap() {
        let path = unit.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| line.contains("SECRET") || line.contains("postgres://"));
        for line in lines {
            let example = line.ends_with('=') || line.contains(":PASSWORD@");
            assert!(example, "{}: {line}", path.display());
        }
    }
}

/// The units in a folder of their own, with programs that are there: that one is missing is an error too.
fn units() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_db-seeder")).parent().unwrap();
    for unit in fs::read_dir("infra/systemd").unwrap() {
        let path = unit.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().replace('@', "@1");
        if name.ends_with(".service") || name.ends_with(".timer") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace("/usr/local/bin/", &format!("{}/", programs.display()));
            fs::write(folder.path().join(name), text).unwrap();
        }
    }
    folder
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
