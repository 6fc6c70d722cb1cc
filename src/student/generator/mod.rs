//! The nation that sits the exam, made up: any number of students without any data of a real one.
//!
//! A student is a pure function of the seed and the id. Every draw comes from a hash of both, and is
//! worked out with integers and IEEE additions, multiplications and divisions alone, which every CPU
//! rounds alike. What calls `exp`, `ln` or `sin` would differ from one C library to the next.

mod marks;
mod names;
mod random;
mod regions;
mod schools;
#[cfg(test)]
mod tests;
mod traditions;

use self::{
    names::Names,
    random::{Purpose, Random},
    schools::School,
};
use super::{Sex, Stream, Student, StudentId};

/// The version of the generator. Whoever changes the student of any seed and id raises it.
pub const GENERATOR: u32 = 1;

/// How many students sit the exam in the whole nation: their ids are 1 ..= 674,823.
pub const NATION: u32 = 674_823;

/// The share of women among the candidates, in percent.
const WOMEN: u32 = 48;

/// Candidates are registered school by school, in runs of this many ids. Each length divides the one
/// before it, so that a run that is not kept whole splits into shorter ones without a remainder.
const LONGER_RUNS: [u32; 3] = [400, 200, 100];

/// What is left of a run that was split each time.
const SHORTEST_RUN: u32 = 50;

/// The share of the longer runs that are kept whole, in percent. With a quarter, 400 ids fall into
/// 0.25·1 + 0.19·2 + 0.14·4 + 0.42·8 = 4.6 runs: enough for nearly every school of the nation to get one.
const KEPT_WHOLE: u32 = 25;

/// Makes up students: the same one for the same seed and id, on every machine. Threads can
/// share one by reference.
#[derive(Debug)]
pub struct Generator {
    seed: u64,
    names: Names,
    schools: Vec<School>,
}

impl Generator {
    /// The nation of this seed. Its regions and the names of its schools are those of every seed; how good
    /// the schools are and who goes to them differ.
    pub fn new(seed: u64) -> Self {
        Self { seed, names: Names::new(), schools: schools::all(seed) }
    }

    /// The student with this id, whichever others are asked for and however many there are.
    pub fn student(&self, id: StudentId) -> Student {
        let school = self.school(id);
        let region = school.region;
        let mut random = Random::new(self.seed, Purpose::Student, id.get().into());

        let sex = if random.percent(WOMEN) { Sex::F } else { Sex::M };
        let natural = random.percent(region.natural_science);
        let stream = if natural { Stream::NaturalScience } else { Stream::SocialScience };
        let tradition = region.tradition(&mut random);
        Student {
            id,
            name: self.names.full(tradition, sex, &mut random),
            sex,
            school: school.name.clone(),
            region: region.name.to_owned(),
            stream,
            marks: marks::draw(stream, school.standing, &mut random),
        }
    }

    /// The school of the run that the id lies in.
    fn school(&self, id: StudentId) -> &School {
        for length in LONGER_RUNS {
            let mut random = self.run(id, length);
            if random.percent(KEPT_WHOLE) {
                return random.pick(&self.schools);
            }
        }
        self.run(id, SHORTEST_RUN).pick(&self.schools)
    }

    /// What is drawn for the run of this length around the id: the same for each id of the run.
    fn run(&self, id: StudentId, length: u32) -> Random {
        let number = (id.get() - StudentId::MIN.get()) / length;
        Random::new(self.seed, Purpose::Run { length }, number.into())
    }
}
