use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    stack::{Around, Stack},
    system::within,
};

/// Between two questions to Prometheus.
pub(crate) const BETWEEN_TWO_LOOKS: Duration = Duration::from_millis(200);

static STACK: LazyLock<Mutex<Stack>> = LazyLock::new(|| Mutex::new(Stack::new(Around::Everything)));

/// The stack with all that watches it, to oneself and whole.
pub(crate) fn watched_stack() -> MutexGuard<'static, Stack> {
    let mut stack = STACK.lock().unwrap_or_else(PoisonError::into_inner);
    stack.up();
    stack
}

/// What Prometheus answers at this path of its API, with these parameters.
fn ask(stack: &Stack, path: &str, parameters: &[(&str, &str)]) -> Value {
    let mut curl = Command::new("curl");
    curl.args(["--noproxy", "*", "-sSG", "-m", "10"]);
    for (name, value) in parameters {
        curl.args(["--data-urlencode", &format!("{name}={value}")]);
    }
    let url = format!("{}/api/v1/{path}", stack.get("PROMETHEUS_URL"));
    let ran = curl.arg(url).stdin(Stdio::null()).output().unwrap();
    let answer: Value = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&ran.stderr)));
    assert_eq!(answer["status"], "success", "{path} {parameters:?}: {answer}");
    answer["data"].clone()
}

/// The values that an expression has now, in no order.
pub(crate) fn values(stack: &Stack, expression: &str) -> Vec<f64> {
    let answer = ask(stack, "query", &[("query", expression)]);
    let value = |sample: &Value| sample["value"][1].as_str().unwrap().parse().unwrap();
    answer["result"]
        .as_array()
        .unwrap_or_else(|| panic!("{expression}: {answer}"))
        .iter()
        .map(value)
        .collect()
}

/// What is firing, but for the one that always is: the name of the alarm and the instance, if it has one.
pub(crate) fn firing(stack: &Stack) -> BTreeSet<(String, String)> {
    let answer = ask(stack, "alerts", &[]);
    let alarms = answer["alerts"].as_array().unwrap().iter().filter(|alarm| alarm["state"] == "firing");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names = alarms.map(|alarm| (text(&alarm["labels"]["alertname"]), text(&alarm["labels"]["instance"])));
    names.filter(|(name, _)| name != "Watchdog").collect()
}

/// Asks Prometheus until there is an answer. It has news every five seconds, and asking it starts a process.
pub(crate) fn news_within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    within(limit, what, || {
        let news = ask();
        if news.is_none() {
            thread::sleep(BETWEEN_TWO_LOOKS);
        }
        news
    })
}

/// Waits until every scrape succeeds, and the alarm fires that always does.
pub(crate) fn everything_is_scraped(stack: &Stack) {
    news_within(Duration::from_secs(30), "everything is scraped", || {
        let up = values(stack, "up");
        let watched = values(stack, r#"ALERTS{alertname="Watchdog", alertstate="firing"}"#);
        (up.len() == 14 && up.iter().all(|up| *up == 1.0) && watched == [1.0]).then_some(())
    });
}
