use super::random::Random;
use crate::student::{MARKS, Stream};

/// How much the schools of one region differ: a standard deviation, in those of the nation's ability.
pub(super) const SCHOOL_SPREAD: f64 = 0.5;

/// How much the students of one school differ, in the same unit. A student's ability, the sum of the region's
/// and the school's standing and of the student's own part, so has about unit variance: the regions'
/// standings contribute 0.12, the schools' 0.5² = 0.25, the students' 0.8² = 0.64.
const OWN_SPREAD: f64 = 0.8;

/// How much of a mark is the ability that a student brings to all papers. Its square is the correlation
/// between two papers: 0.5.
const ABILITY: f64 = 0.707;

/// How much of a mark is the paper alone: with ability squared, 1.
const PAPER: f64 = 0.707;

/// What a paper brings the nation, in marks.
#[derive(Debug, Clone, Copy)]
struct Paper {
    mean: f64,
    deviation: f64,
}

// A hard exam: most candidates stay below half marks, furthest in mathematics and physics. The deviations put
// one mark of mathematics in a hundred at 0, and one mark of any subject in about 1,600 at 90 or above.
const ENGLISH: Paper = Paper { mean: 42.0, deviation: 15.0 };
const MATHEMATICS: Paper = Paper { mean: 35.0, deviation: 15.0 };
const APTITUDE: Paper = Paper { mean: 45.0, deviation: 14.0 };
const CIVICS: Paper = Paper { mean: 50.0, deviation: 13.0 };
const PHYSICS: Paper = Paper { mean: 36.0, deviation: 14.0 };
const CHEMISTRY: Paper = Paper { mean: 39.0, deviation: 14.0 };
const BIOLOGY: Paper = Paper { mean: 44.0, deviation: 14.0 };
const GEOGRAPHY: Paper = Paper { mean: 47.0, deviation: 13.0 };
const HISTORY: Paper = Paper { mean: 46.0, deviation: 14.0 };
const ECONOMICS: Paper = Paper { mean: 41.0, deviation: 14.0 };

/// The marks of a student of this stream at a school of this standing, in the order of the stream's subjects.
pub(super) fn draw(stream: Stream, standing: f64, random: &mut Random) -> [u8; MARKS] {
    let ability = standing + OWN_SPREAD * random.normal();
    papers(stream).map(|paper| {
        let standardized = ABILITY * ability + PAPER * random.normal();
        nearest_mark(paper.mean + paper.deviation * standardized)
    })
}

const fn papers(stream: Stream) -> [Paper; MARKS] {
    match stream {
        Stream::NaturalScience => [ENGLISH, MATHEMATICS, APTITUDE, CIVICS, PHYSICS, CHEMISTRY, BIOLOGY],
        Stream::SocialScience => [ENGLISH, MATHEMATICS, APTITUDE, CIVICS, GEOGRAPHY, HISTORY, ECONOMICS],
    }
}

/// Rounds to 0 ..= 100. The conversion to an integer cuts off the fraction, and makes 0 of what is negative.
fn nearest_mark(mark: f64) -> u8 {
    ((mark + 0.5) as u8).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_the_nearest_of_0_to_100() {
        for (exact, mark) in
            [(-1e9, 0), (-0.6, 0), (0.49, 0), (0.5, 1), (41.7, 42), (99.5, 100), (101.0, 100), (1e9, 100)]
        {
            assert_eq!(nearest_mark(exact), mark, "{exact}");
        }
    }

    #[test]
    fn a_mark_has_unit_variance_before_it_is_scaled() {
        assert!((ABILITY * ABILITY + PAPER * PAPER - 1.0).abs() < 0.001);
    }
}
