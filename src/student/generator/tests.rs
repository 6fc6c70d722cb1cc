use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::student::{MARKS, render};

/// Of the nation's ids, one in thirteen: a stride that has no factor in common with the runs' lengths.
const STRIDE: usize = 13;

fn id(number: u32) -> StudentId {
    StudentId::new(number).expect("in range")
}

fn sample() -> Vec<Student> {
    let nation = Generator::new(1);
    (1..=NATION).step_by(STRIDE).map(|number| nation.student(id(number))).collect()
}

fn share(students: &[Student], holds: impl Fn(&Student) -> bool) -> f64 {
    students.iter().filter(|student| holds(student)).count() as f64 / students.len() as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (x_mean, y_mean) = (mean(&xs), mean(&ys));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        xy += (x - x_mean) * (y - y_mean);
        xx += (x - x_mean) * (x - x_mean);
        yy += (y - y_mean) * (y - y_mean);
    }
    xy / (xx * yy).sqrt()
}

#[test]
fn these_students_change_only_when_the_version_of_the_generator_does() {
    assert_eq!(GENERATOR, 1);
    assert_eq!(
        Generator::new(1).student(id(500_000)),
        Student {
            id: id(500_000),
            name: "Qal'a Tolasa Negasa".to_owned(),
            sex: Sex::M,
            school: "Shambu Secondary School".to_owned(),
            region: "Oromia".to_owned(),
            stream: Stream::NaturalScience,
            marks: [54, 37, 48, 54, 49, 27, 36],
        }
    );
    assert_eq!(
        Generator::new(1).student(StudentId::MAX),
        Student {
            id: StudentId::MAX,
            name: "Asnakech Eyob Getahun".to_owned(),
            sex: Sex::F,
            school: "Akaki Andinet Preparatory School".to_owned(),
            region: "Addis Ababa".to_owned(),
            stream: Stream::SocialScience,
            marks: [19, 19, 48, 43, 33, 40, 35],
        }
    );
}

#[test]
fn streams_and_sexes_have_their_shares() {
    let students = sample();
    let social = share(&students, |student| student.stream == Stream::SocialScience);
    let women = share(&students, |student| student.sex == Sex::F);
    assert!((0.54..0.56).contains(&social), "{social}");
    assert!((0.47..0.49).contains(&women), "{women}");
}

#[test]
fn each_subject_has_its_mean() {
    let mut marks: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for student in sample() {
        for (subject, mark) in student.stream.subjects().into_iter().zip(student.marks) {
            marks.entry(subject).or_default().push(mark.into());
        }
    }
    let expected = BTreeMap::from([
        ("aptitude", 45.0),
        ("biology", 44.0),
        ("chemistry", 39.0),
        ("civics", 50.0),
        ("economics", 41.0),
        ("english", 42.0),
        ("geography", 47.0),
        ("history", 46.0),
        ("mathematics", 35.0),
        ("physics", 36.0),
    ]);
    assert!(marks.keys().eq(expected.keys()));
    for (subject, marks) in &marks {
        let mean = mean(marks);
        assert!((mean - expected[subject]).abs() < 1.0, "{subject}: {mean}");
    }
}

#[test]
fn who_is_good_at_one_subject_is_rather_good_at_another() {
    let students = sample();
    for (one, other) in (0..MARKS).flat_map(|one| (0..one).map(move |other| (one, other))) {
        let pairs: Vec<(f64, f64)> = students
            .iter()
            .filter(|student| student.stream == Stream::NaturalScience)
            .map(|student| (student.marks[one].into(), student.marks[other].into()))
            .collect();
        let correlation = correlation(&pairs);
        assert!((0.4..0.6).contains(&correlation), "{one} and {other}: {correlation}");
    }
}

#[test]
fn marks_of_0_and_of_90_exist_and_are_rare() {
    let students = sample();
    let zero = share(&students, |student| student.marks.contains(&0));
    let ninety = share(&students, |student| student.marks.iter().any(|mark| *mark >= 90));
    assert!((0.005..0.05).contains(&zero), "{zero}");
    assert!((0.000_5..0.01).contains(&ninety), "{ninety}");
}

#[test]
fn marks_are_best_in_the_capital() {
    let mut averages: HashMap<String, Vec<f64>> = HashMap::new();
    for student in sample() {
        let average = f64::from(student.average_in_hundredths()) / 100.0;
        averages.entry(student.region).or_default().push(average);
    }
    let capital = mean(&averages["Addis Ababa"]);
    for (region, averages) in averages {
        assert!(mean(&averages) <= capital, "{region}");
    }
}

#[test]
fn a_school_lies_in_one_region_and_all_regions_have_candidates() {
    let mut regions: HashMap<String, String> = HashMap::new();
    for student in sample() {
        let region = regions.entry(student.school).or_insert_with(|| student.region.clone());
        assert_eq!(*region, student.region);
    }
    assert!(regions.len() > 1_800, "{}", regions.len());
    assert_eq!(regions.into_values().collect::<HashSet<_>>().len(), regions::REGIONS.len());
}

#[test]
fn neighbours_go_to_one_school() {
    let nation = Generator::new(1);
    let schools: Vec<String> = (1..=40_000).map(|number| nation.student(id(number)).school).collect();
    let runs: Vec<usize> = schools.chunk_by(|one, next| one == next).map(<[String]>::len).collect();
    assert!(runs.iter().all(|run| *run >= SHORTEST_RUN as usize));
    assert!((350..550).contains(&runs.len()), "{}", runs.len());
}

#[test]
fn a_document_is_about_300_bytes_long() {
    let mut documents = Vec::new();
    let students = sample();
    for student in &students {
        render(student, &mut documents);
    }
    let mean = documents.len() / students.len();
    assert!((280..=340).contains(&mean), "{mean}");
}

#[test]
fn another_seed_makes_another_nation() {
    let (one, other) = (Generator::new(1), Generator::new(2));
    let same = (1..=1_000).filter(|number| one.student(id(*number)) == other.student(id(*number))).count();
    assert_eq!(same, 0);
}

proptest! {
    #[test]
    fn every_seed_and_id_has_one_valid_student(
        seed in any::<u64>(), number in StudentId::MIN.get()..=StudentId::MAX.get()
    ) {
        let student = Generator::new(seed).student(id(number));
        prop_assert_eq!(&student, &Generator::new(seed).student(id(number)));
        prop_assert_eq!(student.id.get(), number);
        prop_assert!(student.marks.iter().all(|mark| *mark <= 100));
        for text in [&student.name, &student.school, &student.region] {
            prop_assert!(!text.is_empty() && !text.chars().any(char::is_control));
        }
    }
}
