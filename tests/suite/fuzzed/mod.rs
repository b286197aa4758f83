//! What a fuzzer tries, on stable: each target on its corpus, in which lies what it has found.

mod targets;

use std::{fs, panic::catch_unwind, path::Path};

#[test]
fn nothing_that_was_found_is_found_again() {
    let mut problems = Vec::new();
    for (name, target) in targets::TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let mut paths: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(paths.len() >= 3, "the corpus of `{name}` is nearly empty");
        for path in paths {
            let bytes = fs::read(&path).unwrap();
            if catch_unwind(|| target(&bytes)).is_err() {
                problems.push(path.display().to_string());
            }
            // What is cut short, and what has one byte else, is input, too.
            for length in (0..bytes.len()).step_by(bytes.len() / 10 + 1) {
                let mut changed = bytes.clone();
                changed[length] ^= 0x21;
                if catch_unwind(|| target(&bytes[..length])).is_err() {
                    problems.push(format!("{}, cut after {length} bytes", path.display()));
                }
                if catch_unwind(|| target(&changed)).is_err() {
                    problems.push(format!("{}, with byte {length} changed", path.display()));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
