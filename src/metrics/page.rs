use std::fmt;

use prometheus_client::{
    collector::Collector, encoding::DescriptorEncoder, encoding::text::encode_registry, registry::Registry,
};

use super::{Families, process};

/// The media type of a page (Prometheus's text format).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All that a program tells: worked out anew whenever it is asked for.
#[derive(Debug, Default)]
pub struct Page(Registry);

/// What tells some families.
struct Teller<F>(F);

impl Page {
    /// Adds what tells some families. It waits for nothing: whoever scrapes has little patience.
    #[must_use]
    pub fn with(mut self, tell: impl Fn(&mut Families<'_>) -> fmt::Result + Send + Sync + 'static) -> Self {
        self.0.register_collector(Box::new(Teller(tell)));
        self
    }

    /// Adds what the operating system knows of this process.
    #[must_use]
    pub fn with_process(self) -> Self {
        self.with(process::tell)
    }

    /// The page as of now.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.0)?;
        Ok(text)
    }
}

impl<F: Fn(&mut Families<'_>) -> fmt::Result + Send + Sync + 'static> Collector for Teller<F> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Families::told_to(encoder))
    }
}

impl<F> fmt::Debug for Teller<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Observed, *};

    #[test]
    fn a_page_is_text_as_prometheus_reads_it() {
        let page = Page::default().with(|families| {
            families.gauge("a", "An a.", [([], 1_u64)])?;
            families.counter("b_total", "All b.", [([("c", "x")], 2_u64), ([("c", "\"y\"")], 0)])?;
            let buckets = vec![(0.5, 1), (f64::INFINITY, 2)];
            families.histogram("d_seconds", "Some d.", [([], Observed { buckets, sum: 4.25 })])?;
            families.gauge("e", "Nothing is known of e.", [] as [([_; 0], u64); 0])
        });
        let text = "# HELP a An a.\n# TYPE a gauge\na 1\n\
                    # HELP b_total All b.\n# TYPE b_total counter\n\
                    b_total{c=\"x\"} 2\nb_total{c=\"\\\"y\\\"\"} 0\n\
                    # HELP d_seconds Some d.\n# TYPE d_seconds histogram\n\
                    d_seconds_sum 4.25\nd_seconds_count 3\n\
                    d_seconds_bucket{le=\"0.5\"} 1\nd_seconds_bucket{le=\"+Inf\"} 3\n\
                    # HELP e Nothing is known of e.\n# TYPE e gauge\n";
        assert_eq!(page.text().unwrap(), text);
    }
}
