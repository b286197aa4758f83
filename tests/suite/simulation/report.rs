//! What the suite proves, in numbers: `reliability-report.json` in the target directory.

use std::sync::Mutex;

use serde_json::{Map, Value};

use crate::figures;

/// Tests run at the same time, and each writes its own part.
static WRITING: Mutex<()> = Mutex::new(());

/// Writes one part; the others stay as they are. All but the times is the same every time.
pub fn write(part: &str, figures: Value, seconds: f64) {
    let _turn = WRITING.lock();
    let path = figures::file("reliability-report.json");
    let read = std::fs::read_to_string(&path).ok();
    let mut report: Map<String, Value> = read.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let mut figures = figures;
    figures["seconds"] = ((seconds * 10.0).round() / 10.0).into();
    report.insert("format_version".to_owned(), 1.into());
    report.insert(part.to_owned(), figures);
    report.sort_keys();
    let text = serde_json::to_string_pretty(&report).expect("a report can be written");
    std::fs::write(&path, text + "\n").expect("the target directory can be written to");
}
