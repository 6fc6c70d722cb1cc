use rusqlite::{Connection, OptionalExtension};

const NATURAL: [&str; 7] =
    ["english", "mathematics", "aptitude", "civics", "physics", "chemistry", "biology"];
const SOCIAL: [&str; 7] =
    ["english", "mathematics", "aptitude", "civics", "geography", "history", "economics"];

/// The document that everybody should see of this student, made by hand from what the database holds.
/// `None` where the student has no row, or no row of results.
pub(super) fn expected(database: &Connection, id: u32) -> Option<Vec<u8>> {
    let [name, sex, school, region, stream] = database
        .query_row("SELECT name, sex, school, region, stream FROM students WHERE id = ?", [id], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
        })
        .optional()
        .unwrap()?;
    let texts: [String; 5] = [name, sex, school, region, stream];
    let [name, sex, school, region, stream] = texts.map(|text| quoted(&text));
    let subjects = if stream == "\"natural_science\"" { NATURAL } else { SOCIAL };
    let sql = format!(
        "SELECT {} FROM {}_results WHERE student_id = ?",
        subjects.join(", "),
        stream.trim_matches('"')
    );
    let marks: Vec<u32> = database
        .query_row(&sql, [id], |row| (0..subjects.len()).map(|column| row.get(column)).collect())
        .optional()
        .unwrap()?;
    let total: u32 = marks.iter().sum();
    let results: Vec<_> =
        subjects.iter().zip(&marks).map(|(name, mark)| format!("\"{name}\":{mark}")).collect();
    let document = format!(
        "{{\"id\":{id},\"name\":{name},\"sex\":{sex},\"school\":{school},\"region\":{region},\
         \"stream\":{stream},\"results\":{{{}}},\"total\":{total},\"out_of\":700,\"average\":{}}}\n",
        results.join(","),
        average(total)
    );
    Some(document.into_bytes())
}

/// A seventh of the total, rounded to hundredths, without zeros that say nothing: `40.0`, `39.3`, `39.29`.
fn average(total: u32) -> String {
    let hundredths = (total * 1_000 / 7 + 5) / 10;
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.strip_suffix('0').unwrap_or(&text).to_owned()
}

/// A JSON string (RFC 8259, 7) of a text without control characters.
fn quoted(text: &str) -> String {
    assert!(!text.chars().any(char::is_control), "{text:?}");
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
