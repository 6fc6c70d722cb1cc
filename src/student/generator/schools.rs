use super::{
    marks::SCHOOL_SPREAD,
    random::{Purpose, Random},
    regions::{REGIONS, Region},
};

/// A school that registers candidates.
#[derive(Debug)]
pub(super) struct School {
    /// Unlike any other school's.
    pub(super) name: String,
    /// The region whose town it stands in.
    pub(super) region: &'static Region,
    /// What its students' ability is on average, the region's standing included.
    pub(super) standing: f64,
}

/// What a town's further schools are, once it has a secondary and a preparatory school.
const FURTHER: [&str; 3] = ["Secondary School", "Preparatory School", "Academy"];

/// The nation's schools: of each region as many as its share of the candidates calls for.
pub(super) fn all(seed: u64) -> Vec<School> {
    REGIONS
        .iter()
        .zip(0..)
        .flat_map(|(region, index)| of_region(region, Random::new(seed, Purpose::Schools, index)))
        .collect()
}

/// Each town gets a first school before any gets a second one.
fn of_region(region: &'static Region, mut random: Random) -> impl Iterator<Item = School> {
    let towns: Vec<&str> = region.towns.split(", ").collect();
    let patrons: Vec<&str> = region.patrons.iter().flat_map(|list| list.split(", ")).collect();
    (0..region.schools).map(move |number| {
        let (round, town) = (number / towns.len(), number % towns.len());
        School {
            name: name(towns[town], round, &patrons, town),
            region,
            standing: region.standing + SCHOOL_SPREAD * random.normal(),
        }
    })
}

/// The name of a town's school of this round. Each town's patrons start one further in the list than its
/// neighbour's, and no town has more schools than there are patrons: no name comes twice.
fn name(town: &str, round: usize, patrons: &[&str], first_patron: usize) -> String {
    match round {
        0 => format!("{town} Secondary School"),
        1 => format!("{town} Preparatory School"),
        _ => {
            let patron = patrons[(first_patron + round) % patrons.len()];
            format!("{town} {patron} {}", FURTHER[round % FURTHER.len()])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_schools_have_one_name() {
        let schools = all(1);
        let names: HashSet<&str> = schools.iter().map(|school| school.name.as_str()).collect();
        assert_eq!(names.len(), schools.len());
    }

    #[test]
    fn a_nation_has_two_thousand_schools() {
        assert_eq!(all(1).len(), 2_000);
    }

    #[test]
    fn a_seed_changes_how_good_schools_are_but_not_their_names() {
        for (one, other) in all(1).iter().zip(&all(2)) {
            assert_eq!(one.name, other.name);
            assert_ne!(one.standing, other.standing);
        }
    }

    #[test]
    fn a_towns_first_schools_bear_its_name_alone() {
        assert_eq!(name("Adama", 0, &["Fana", "Limat"], 1), "Adama Secondary School");
        assert_eq!(name("Adama", 1, &["Fana", "Limat"], 1), "Adama Preparatory School");
        assert_eq!(name("Adama", 2, &["Fana", "Limat"], 1), "Adama Limat Academy");
    }
}
