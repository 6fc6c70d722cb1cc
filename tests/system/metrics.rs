use std::collections::{BTreeMap, BTreeSet};

use super::client::{Answer, Client};

/// A page of metrics, as Prometheus would read it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metrics {
    /// Each family's type.
    pub(crate) types: BTreeMap<String, String>,
    /// Each series as it is written, and its value.
    pub(crate) series: BTreeMap<String, f64>,
}

/// What a family is called, its type, and the names of its labels.
pub(crate) type Family = (String, String, BTreeSet<String>);

impl Metrics {
    /// What is told at this address.
    #[track_caller]
    pub(crate) fn at(address: &str) -> Self {
        let Answer { status, body, headers } = Client::tcp(address).unwrap().get("/metrics");
        assert_eq!(status, 200);
        let media_type = ("content-type".to_owned(), "text/plain; version=0.0.4; charset=utf-8".to_owned());
        assert!(headers.contains(&media_type), "{headers:?}");
        Self::read(&String::from_utf8(body).unwrap())
    }

    #[track_caller]
    pub(crate) fn read(text: &str) -> Self {
        let mut metrics = Self { types: BTreeMap::new(), series: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.starts_with("# HELP ")) {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').unwrap();
                assert_eq!(
                    metrics.types.insert(name.to_owned(), kind.to_owned()),
                    None,
                    "{name} comes twice"
                );
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
                let again = metrics.series.insert(series.to_owned(), value.parse().unwrap());
                assert_eq!(again, None, "{series} comes twice");
            }
        }
        metrics
    }

    /// The value of a series, named as it is written.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("{series} is not among {:#?}", self.series.keys()))
    }

    /// How much a series has grown since.
    #[track_caller]
    pub(crate) fn growth(&self, series: &str, since: &Self) -> f64 {
        self.value(series) - since.value(series)
    }

    /// The sum of a family's series that have grown since, and by how much.
    pub(crate) fn grown(&self, family: &str, since: &Self) -> BTreeMap<String, f64> {
        let of_family = |series: &&String| series.split('{').next() == Some(family);
        let grown = self.series.keys().filter(of_family).map(|series| {
            (series[family.len()..].to_owned(), self.value(series) - since.series.get(series).unwrap_or(&0.0))
        });
        grown.filter(|(_, growth)| *growth != 0.0).collect()
    }

    /// Every family, whether or not it has a series at the moment.
    pub(crate) fn families(&self) -> BTreeSet<Family> {
        let family = |(name, kind): (&String, &String)| (name.clone(), kind.clone(), self.labels(name));
        self.types.iter().map(family).collect()
    }

    /// The labels of a family's series; the bounds of buckets are none.
    fn labels(&self, family: &str) -> BTreeSet<String> {
        let of_family = |series: &&String| {
            let name = series.split('{').next().unwrap_or_default();
            ["", "_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(family))
        };
        let names = |series: &String| -> Vec<String> {
            let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
            labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect()
        };
        self.series.keys().filter(of_family).flat_map(names).filter(|name| name != "le").collect()
    }
}
