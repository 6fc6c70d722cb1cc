use super::{random::Random, traditions::Tradition};
use crate::student::Sex;

/// The names that students are given, ready to draw from.
#[derive(Debug)]
pub(super) struct Names([Given; Tradition::ALL.len()]);

/// The given names of one tradition.
#[derive(Debug)]
struct Given {
    women: Vec<&'static str>,
    men: Vec<&'static str>,
}

impl Names {
    pub(super) fn new() -> Self {
        Self(Tradition::ALL.map(|tradition| Given {
            women: tradition.women().split_whitespace().collect(),
            men: tradition.men().split_whitespace().collect(),
        }))
    }

    /// A full name as custom has it: one's own, the father's and the grandfather's given name. There are no
    /// family names.
    pub(super) fn full(&self, tradition: Tradition, sex: Sex, random: &mut Random) -> String {
        let given = &self.0[tradition as usize];
        let own = match sex {
            Sex::F => &given.women,
            Sex::M => &given.men,
        };
        let father = random.pick(&given.men);
        let own = other_than(father, own, random);
        let grandfather = other_than(father, &given.men, random);
        [own, father, grandfather].join(" ")
    }
}

/// One of the names, but not the father's: no son is called what his father is. The list has to hold others.
fn other_than(father: &str, names: &[&'static str], random: &mut Random) -> &'static str {
    loop {
        let name = *random.pick(names);
        if name != father {
            return name;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::student::generator::random::Purpose;

    #[test]
    fn there_are_more_than_two_hundred_names_for_each_sex() {
        let Names(traditions) = Names::new();
        let women: HashSet<&str> = traditions.iter().flat_map(|given| given.women.clone()).collect();
        let men: HashSet<&str> = traditions.iter().flat_map(|given| given.men.clone()).collect();
        assert!(women.len() > 200, "{}", women.len());
        assert!(men.len() > 200, "{}", men.len());
    }

    #[test]
    fn no_tradition_lists_a_name_twice() {
        for given in Names::new().0 {
            for list in [given.women, given.men] {
                let mut seen = HashSet::new();
                assert_eq!(list.iter().find(|name| !seen.insert(**name)), None);
            }
        }
    }

    #[test]
    fn nobody_has_the_fathers_name() {
        let names = Names::new();
        let mut random = Random::new(1, Purpose::Student, 1);
        for tradition in Tradition::ALL.into_iter().cycle().take(5_000) {
            let name = names.full(tradition, Sex::M, &mut random);
            let parts: Vec<&str> = name.split(' ').collect();
            assert_eq!(parts.len(), 3, "{name}");
            assert_ne!(parts[0], parts[1], "{name}");
            assert_ne!(parts[1], parts[2], "{name}");
        }
    }
}
