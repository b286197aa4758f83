use serde::Serialize;

/// The version of all JSON that is written for programs. It only changes when something is taken
/// away or changes its meaning.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Versioned<'a, T> {
    format_version: u32,
    #[serde(flatten)]
    document: &'a T,
}

/// A document as indented JSON, its version first.
pub fn versioned_json(document: &impl Serialize) -> String {
    let versioned = Versioned { format_version: FORMAT_VERSION, document };
    let mut text = serde_json::to_string_pretty(&versioned).expect("reports have only string keys");
    text.push('\n');
    text
}

/// A document as one line of JSON, its version first.
pub fn versioned_json_line(document: &impl Serialize) -> String {
    let versioned = Versioned { format_version: FORMAT_VERSION, document };
    let mut text = serde_json::to_string(&versioned).expect("reports have only string keys");
    text.push('\n');
    text
}
