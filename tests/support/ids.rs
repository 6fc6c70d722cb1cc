use results_day::student::StudentId;

pub(crate) fn id(number: u32) -> StudentId {
    StudentId::new(number).unwrap()
}
