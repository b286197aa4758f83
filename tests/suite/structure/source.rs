use std::{fs, path::Path};

use super::mask::mask;

/// One file of Rust, blanked, and what of it is test code.
pub struct Source {
    /// From the crate's root, with `/`.
    pub name: String,
    pub text: String,
    /// The text without comments, strings and characters, at the same offsets.
    pub masked: String,
    test_ranges: Vec<(usize, usize)>,
}

impl Source {
    pub fn new(name: &str, text: &str) -> Self {
        let masked = mask(text);
        let test_ranges = test_items(&masked);
        Self { name: name.to_owned(), text: text.to_owned(), masked, test_ranges }
    }

    /// The module right below the crate's root that the file belongs to.
    pub fn module(&self) -> Option<&str> {
        let inside = self.name.strip_prefix("src/")?;
        inside.split(['/', '.']).next()
    }

    pub fn is_test(&self, offset: usize) -> bool {
        !self.name.starts_with("src/") || self.test_ranges.iter().any(|&(start, end)| (start..end).contains(&offset))
    }

    /// `file:line` of an offset into the masked text.
    pub fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.name, self.masked[..offset].matches('\n').count() + 1)
    }

    /// The modules that are declared under `#[cfg(test)]`: their files without `.rs`.
    fn test_modules(&self) -> Vec<String> {
        self.test_ranges.iter().filter_map(|range| self.declared_module(*range)).collect()
    }

    fn declared_module(&self, (start, end): (usize, usize)) -> Option<String> {
        let (directory, file) = self.name.rsplit_once('/')?;
        if let Some((_, path)) = self.text[start..end].split_once("#[path = \"") {
            return Some(format!("{directory}/{}", path.split_once(".rs\"")?.0));
        }
        let name = self.masked[start..end].split_once("mod ")?.1.trim().strip_suffix(';')?;
        match file {
            "mod.rs" | "lib.rs" | "main.rs" => Some(format!("{directory}/{name}")),
            other => Some(format!("{directory}/{}/{name}", other.trim_end_matches(".rs"))),
        }
    }
}

/// All Rust of the crate, in order of the files' names.
pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for directory in ["src", "tests", "benches", "examples"] {
        read_directory(root, &root.join(directory), &mut sources);
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    mark_test_files(&mut sources);
    assert!(sources.iter().any(|source| source.name == "src/lib.rs"), "no source of the crate in {}", root.display());
    sources
}

/// A module that is declared under `#[cfg(test)]` is test code as a whole, wherever its file is.
fn mark_test_files(sources: &mut [Source]) {
    let modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in sources {
        let is_of =
            |module: &String| source.name == format!("{module}.rs") || source.name.starts_with(&format!("{module}/"));
        if modules.iter().any(is_of) {
            source.test_ranges = vec![(0, source.masked.len())];
        }
    }
}

fn read_directory(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.expect("a directory that opened can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" {
                read_directory(root, &path, sources);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("Rust source is UTF-8");
            let name = path.strip_prefix(root).expect("it was found below the root");
            sources.push(Source::new(&name.to_string_lossy().replace('\\', "/"), &text));
        }
    }
}

/// Where items under `#[cfg(test)]` start and end.
fn test_items(masked: &str) -> Vec<(usize, usize)> {
    let starts = masked.match_indices("#[cfg(test)]").map(|(start, attribute)| (start, start + attribute.len()));
    starts.map(|(start, after)| (start, body_end(masked, after))).collect()
}

/// Where the item whose text goes on at `from` ends: behind its `;`, or its closing brace.
pub fn body_end(masked: &str, from: usize) -> usize {
    let mut depth = 0;
    for (offset, byte) in masked.bytes().enumerate().skip(from) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return offset;
        }
        if depth == 0 && matches!(byte, b';' | b'}') {
            return offset + 1;
        }
    }
    masked.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_told_from_the_rest() {
        let source =
            Source::new("src/plan/port.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n");
        let is_test = |name: &str| source.is_test(source.masked.find(name).unwrap());
        assert_eq!([is_test("fn a"), is_test("fn b"), is_test("fn c")], [false, true, false]);
        assert_eq!(source.module(), Some("plan"));
        assert_eq!(source.place(source.masked.find("fn b").unwrap()), "src/plan/port.rs:4");
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_test_code() {
        let mut sources = [
            Source::new("src/graph/mod.rs", "#[cfg(test)]\nmod examples;\nmod order;\n"),
            Source::new("src/graph/examples.rs", "fn a() {}"),
            Source::new("src/graph/order.rs", "#[cfg(test)]\nmod tests;\nfn b() {}"),
            Source::new("src/graph/order/tests.rs", "fn c() {}"),
            Source::new("src/graph/cycle.rs", "#[cfg(test)]\n#[path = \"cycle_tests.rs\"]\nmod tests;\nfn d() {}"),
            Source::new("src/graph/cycle_tests.rs", "fn e() {}"),
        ];
        mark_test_files(&mut sources);
        let is_test: Vec<bool> = sources.iter().map(|source| source.is_test(source.masked.len() - 1)).collect();
        assert_eq!(is_test, [false, true, false, true, false, true]);
    }
}
