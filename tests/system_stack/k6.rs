//! The load scripts against the whole stack, with real corrections beside them.

use std::process::{Command, Stdio};

#[test]
fn the_load_scripts_find_nothing_wrong_while_marks_are_corrected() {
    let stack = crate::stack::stack();
    let ran = Command::new("k6/run")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("STACK_ENV", stack.environment_file())
        .env("SCALE", "short")
        // Programs with debug code share the processors with other tests: how quick they are is not the question.
        .env("P95_MS", "5000")
        .env("MAX_DROPPED", "0.5")
        // Some of these few students are corrected between a look-up and its repeat.
        .env("MIN_UNCHANGED", "0.9")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}");
    for script in ["real_k6.js", "static_k6.js", "results_day.js"] {
        assert!(said.contains(&format!("== {script}, SCALE=short ==")), "{said}");
    }
    assert!(said.contains("corrections"), "{said}");
}
