use results_day::release::Part;

use crate::plan::{Patch, Plan, Render};

/// What a blob costs beside its students, in students rendered: it is hashed, uploaded and read back.
const BLOB: u64 = 500;

/// Taking over so many frames, out of a blob that is read first, costs what rendering one student does.
const TAKEN_OVER: u64 = 3;

/// Looking up a student costs what rendering so many does.
const LOOKED_UP: u64 = 3;

impl Plan {
    /// The prefixes that each of so many parts has to render or to patch, in order.
    pub(crate) fn shares(&self, parts: u16) -> Vec<Vec<u32>> {
        let mut shares = vec![Vec::new(); usize::from(parts)];
        for (prefix, index) in self.divided(parts) {
            shares[usize::from(index)].push(prefix);
        }
        shares
    }

    /// What one part has to do. Nothing is kept: that is the committer's.
    pub(crate) fn share(mut self, part: Part) -> Self {
        let own = self.divided(part.of()).into_iter().filter(|(_, index)| *index == part.index());
        let own: Vec<u32> = own.map(|(prefix, _)| prefix).collect();
        self.render.retain(|shard| own.binary_search(&shard.prefix).is_ok());
        self.patch.retain(|patch| own.binary_search(&patch.base.key.prefix).is_ok());
        self.keep.clear();
        self
    }

    /// The prefixes that there are to render or to patch, in order.
    pub(crate) fn prefixes(&self) -> Vec<u32> {
        let patch = self.patch.iter().map(|patch| patch.base.key.prefix);
        let mut prefixes: Vec<u32> = self.render.iter().map(|shard| shard.prefix).chain(patch).collect();
        prefixes.sort_unstable();
        prefixes
    }

    /// Each prefix with the part that it falls to: parts of about equal work, each of neighbours, because shards whose
    /// ids follow each other are read at once.
    fn divided(&self, parts: u16) -> Vec<(u32, u16)> {
        let render = self.render.iter().map(|shard| (shard.prefix, shard.work()));
        let patch = self.patch.iter().map(|patch| (patch.base.key.prefix, patch.work()));
        let mut work: Vec<(u32, u64)> = render.chain(patch).collect();
        work.sort_unstable();
        let total: u64 = work.iter().map(|(_, work)| work).sum();
        let mut before = 0;
        let divided = work.into_iter().map(|(prefix, work)| {
            // By the middle of its work, which lies below the total.
            let middle = 2 * before + work;
            before += work;
            let index = middle * u64::from(parts) / (2 * total).max(1);
            (prefix, u16::try_from(index).unwrap_or(u16::MAX).min(parts.saturating_sub(1)))
        });
        divided.collect()
    }
}

impl Render {
    fn work(&self) -> u64 {
        BLOB + u64::from(self.students)
    }
}

impl Patch {
    fn work(&self) -> u64 {
        BLOB + u64::from(self.base.students) / TAKEN_OVER + LOOKED_UP * self.changed.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use results_day::shard::Width;

    use super::*;

    fn plan(students: &[u32]) -> Plan {
        let render = (0..).zip(students).map(|(prefix, students)| Render {
            prefix,
            ids: Width::DENSE.ids(prefix).unwrap(),
            students: *students,
        });
        Plan { width: Width::DENSE, render: render.collect(), patch: Vec::new(), keep: Vec::new() }
    }

    #[test]
    fn shares_are_neighbours_and_together_everything_once() {
        for students in [&[][..], &[1], &[1_000; 675], &[9, 900, 1, 1, 1, 1_000, 3]] {
            for parts in [1, 2, 3, 7, 256] {
                let plan = plan(students);
                let shares = plan.shares(parts);
                assert_eq!(shares.len(), usize::from(parts));
                let all: Vec<u32> = (0..students.len() as u32).collect();
                assert_eq!(shares.concat(), all, "{parts}");
                for (part, share) in Part::all(parts).zip(shares) {
                    let own = self::plan(students).share(part).render;
                    assert_eq!(own.iter().map(|shard| shard.prefix).collect::<Vec<_>>(), share);
                }
            }
        }
    }

    #[test]
    fn shares_are_of_about_equal_work() {
        let sizes = |students: &[u32], parts| -> Vec<usize> {
            plan(students).shares(parts).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[1_000; 675], 3), [225, 225, 225]);
        assert_eq!(sizes(&[10_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000], 2), [1, 7]);
    }
}
