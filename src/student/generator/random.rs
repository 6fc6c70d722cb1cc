/// What random numbers are drawn for. No two purposes share a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// How good a region's schools are, by the region's place in the table.
    Schools,
    /// Everything about a student but the school, by id.
    Student,
    /// The school of a run of ids of this length, by the run's number.
    Run { length: u32 },
}

/// A sequence of random numbers: splitmix64 (Steele, Lea and Flood 2014), a counter whose every value is
/// mixed. It starts in one step anywhere, so that a student costs nothing for the students before it.
#[derive(Debug)]
pub(super) struct Random(u64);

/// splitmix64's increment: 2^64 divided by the golden ratio, made odd.
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// The mean of the sum of four integers that are uniform on 0 ..= 65,535.
const SUM_MEAN: f64 = 4.0 * 65_535.0 / 2.0;

/// The standard deviation of that sum: the square root of 4·(65,536² - 1)/12.
const SUM_DEVIATION: f64 = 37_837.227_2;

impl Random {
    /// The sequence of this seed, purpose and index.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        // Seed, purpose and index are mixed in one after the other: were they added, the next seed
        // would repeat this one's students under other ids.
        Self(mix(mix(mix(seed).wrapping_add(purpose.number())).wrapping_add(index)))
    }

    /// Uniform on 0 .. `bound`; 0 if there is nothing below the bound.
    ///
    /// No number is preferred by more than `bound` in 2^32, which no statistic of a nation shows.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // The high halves of the draw and of the product; the latter is less than `bound`.
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// True in this many of a hundred draws.
    pub(super) fn percent(&mut self, share: u32) -> bool {
        self.below(100) < share
    }

    /// One of the items, each as likely as the others. There has to be one.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u32) as usize]
    }

    /// About normal, with mean 0 and deviation 1: the sum of four uniform numbers (Irwin-Hall), scaled.
    /// It lies within ±3.47. The four are the quarters of one draw.
    pub(super) fn normal(&mut self) -> f64 {
        let draw = self.next();
        let sum: u64 = [0, 16, 32, 48].map(|shift| (draw >> shift) & 0xffff).iter().sum();
        (sum as f64 - SUM_MEAN) / SUM_DEVIATION
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(INCREMENT);
        mix(self.0)
    }
}

impl Purpose {
    fn number(self) -> u64 {
        match self {
            Self::Schools => 1,
            Self::Student => 2,
            // Above the others: no run is as short as two ids.
            Self::Run { length } => length.into(),
        }
    }
}

/// splitmix64's finalizer: a bijection in which each bit of the input turns over about half of the output.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        // The reference implementation's first outputs for the state 1234567.
        let mut random = Random(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
        assert_eq!(random.next(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn another_seed_purpose_or_index_starts_another_sequence() {
        let starts = [
            Random::new(1, Purpose::Student, 1),
            Random::new(2, Purpose::Student, 1),
            Random::new(1, Purpose::Schools, 1),
            Random::new(1, Purpose::Run { length: 50 }, 1),
            Random::new(1, Purpose::Student, 2),
        ];
        for (at, start) in starts.iter().enumerate() {
            assert!(starts[..at].iter().all(|earlier| earlier.0 != start.0));
        }
    }

    #[test]
    fn every_number_below_the_bound_is_drawn_about_as_often() {
        let mut random = Random(0);
        let mut drawn = [0_u32; 10];
        for _ in 0..100_000 {
            drawn[random.below(10) as usize] += 1;
        }
        assert!(drawn.iter().all(|times| (9_600..10_400).contains(times)), "{drawn:?}");
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn normal_draws_have_mean_0_and_deviation_1() {
        const DRAWS: u32 = 100_000;
        let mut random = Random(0);
        let draws: Vec<f64> = (0..DRAWS).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(DRAWS);
        let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / f64::from(DRAWS);
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        assert!(draws.iter().all(|draw| draw.abs() < 3.47));
    }
}
