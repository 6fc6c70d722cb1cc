use std::{collections::BTreeMap, sync::Arc};

use super::{Change, Changed, Snapshot, Standing};
use crate::student::StudentId;

/// The last change of every student ever changed, in memory.
///
/// Cloning shares the pages, and writing to a clone copies only the pages it touches: a server can publish
/// a new log at every poll while requests go on reading the old one.
#[derive(Debug, Clone, Default)]
pub struct ChangeLog {
    everything: Option<Change>,
    pages: BTreeMap<u32, Arc<Page>>,
}

/// The changed students of [`PAGE`] ids, in id order.
type Page = Vec<(StudentId, Change)>;

/// At 24 bytes a student a full page is 24 KiB: what one correction copies.
const PAGE: u32 = 1_024;

impl ChangeLog {
    /// Records a change; the student's earlier one is forgotten.
    pub fn record(&mut self, changed: Changed, change: Change) {
        let Changed::Student(id) = changed else {
            self.everything = Some(change);
            return;
        };
        let page = Arc::make_mut(self.pages.entry(id.get() / PAGE).or_default());
        match page.binary_search_by_key(&id, |(changed, _)| *changed) {
            Ok(place) => page[place].1 = change,
            Err(place) => page.insert(place, (id, change)),
        }
    }

    /// What the log says of a student.
    pub fn standing(&self, id: StudentId) -> Standing {
        Standing { own: self.own(id), everything: self.everything }
    }

    /// The last change of everything.
    pub fn everything(&self) -> Option<Change> {
        self.everything
    }

    /// How many students have a row of their own.
    pub fn len(&self) -> usize {
        self.pages.values().map(|page| page.len()).sum()
    }

    /// Whether nothing was ever changed.
    pub fn is_empty(&self) -> bool {
        self.everything.is_none() && self.pages.is_empty()
    }

    /// How many students have a change of their own that `snapshot` did not see.
    pub fn since(&self, snapshot: &Snapshot) -> usize {
        let changes = self.pages.values().flat_map(|page| page.iter());
        changes.filter(|(_, change)| !snapshot.sees(change.transaction)).count()
    }

    /// Every row, *everything* first, then in id order.
    pub fn iter(&self) -> impl Iterator<Item = (Changed, Change)> {
        let students = self.pages.values().flat_map(|page| page.iter());
        let everything = self.everything.map(|change| (Changed::Everything, change));
        everything.into_iter().chain(students.map(|(id, change)| (Changed::Student(*id), *change)))
    }

    fn own(&self, id: StudentId) -> Option<Change> {
        let page = self.pages.get(&(id.get() / PAGE))?;
        let place = page.binary_search_by_key(&id, |(changed, _)| *changed).ok()?;
        Some(page[place].1)
    }
}

impl Extend<(Changed, Change)> for ChangeLog {
    fn extend<T: IntoIterator<Item = (Changed, Change)>>(&mut self, rows: T) {
        for (changed, change) in rows {
            self.record(changed, change);
        }
    }
}

impl FromIterator<(Changed, Change)> for ChangeLog {
    fn from_iter<T: IntoIterator<Item = (Changed, Change)>>(rows: T) -> Self {
        let mut log = Self::default();
        log.extend(rows);
        log
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> StudentId {
        StudentId::new(number).unwrap()
    }

    fn change(transaction: u64) -> Change {
        Change { transaction, token: transaction.rotate_left(17) }
    }

    #[test]
    fn a_change_of_everything_is_part_of_every_students_standing() {
        let mut log = ChangeLog::default();
        log.record(Changed::Student(id(5)), change(1));
        log.record(Changed::Everything, change(2));
        assert_eq!(log.standing(id(5)), Standing { own: Some(change(1)), everything: Some(change(2)) });
        assert_eq!(log.standing(id(6)), Standing { own: None, everything: Some(change(2)) });
        assert!(!log.standing(id(6)).seen_by(&Snapshot::of_revision(1)));
        assert!(log.standing(id(5)).seen_by(&Snapshot::of_revision(2)));
    }

    #[test]
    fn a_clone_does_not_hear_of_later_changes() {
        let mut log = ChangeLog::default();
        log.record(Changed::Student(id(5)), change(1));
        let earlier = log.clone();
        log.record(Changed::Student(id(5)), change(2));
        log.record(Changed::Student(id(6)), change(3));
        assert_eq!(earlier.iter().collect::<Vec<_>>(), [(Changed::Student(id(5)), change(1))]);
        assert_eq!((log.len(), log.since(&Snapshot::of_revision(2))), (2, 1));
    }

    proptest! {
        #[test]
        fn the_log_holds_the_last_change_of_each_student(
            rows in prop::collection::vec((1_u32..5_000, any::<u64>()), 0..400)
        ) {
            let log: ChangeLog =
                rows.iter().map(|(number, t)| (Changed::Student(id(*number)), change(*t))).collect();
            let last: HashMap<u32, u64> = rows.into_iter().collect();
            prop_assert_eq!(log.len(), last.len());
            for number in 1..5_000 {
                prop_assert_eq!(log.standing(id(number)).own, last.get(&number).map(|t| change(*t)));
            }
        }
    }
}
