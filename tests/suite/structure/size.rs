use super::{
    expect_none,
    source::{Source, body_end, sources},
};

const LONGEST_FILE: usize = 800;
const LONGEST_FUNCTION: usize = 100;
/// Hardly a function is longer than this: at most one in so many.
const LONG_FUNCTION: usize = 70;
const ONE_IN: usize = 50;

/// A function: where it is, what it is called, how many lines it has.
struct Function {
    place: String,
    name: String,
    lines: usize,
}

impl Function {
    fn report(&self) -> String {
        format!("{}: `{}` has {} lines", self.place, self.name, self.lines)
    }
}

fn functions(source: &Source) -> Vec<Function> {
    let masked = &source.masked;
    let mut functions = Vec::new();
    for (start, keyword) in masked.match_indices("fn ") {
        let follows_word = masked[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = &masked[start + keyword.len()..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if follows_word || name.is_empty() {
            continue;
        }
        let body = &masked[start..body_end(masked, start)];
        functions.push(Function { place: source.place(start), name, lines: body.matches('\n').count() + 1 });
    }
    functions
}

#[test]
fn files_are_short() {
    let long = |source: &Source| {
        let lines = source.text.lines().count();
        let report = format!("{}:{}: the file has {lines} lines", source.name, LONGEST_FILE + 1);
        (lines > LONGEST_FILE).then_some(report)
    };
    let violations: Vec<String> = sources().iter().filter_map(long).collect();
    expect_none(&violations, "A file is one noun: find the second one in it, and give it a file of its own.");
}

#[test]
fn functions_are_short() {
    let functions: Vec<Function> = sources().iter().flat_map(functions).collect();
    let longer_than = |limit: usize| {
        functions.iter().filter(move |function| function.lines > limit).map(Function::report).collect::<Vec<_>>()
    };
    expect_none(&longer_than(LONGEST_FUNCTION), "Name the steps, and make each a function.");
    let long = longer_than(LONG_FUNCTION);
    if long.len() * ONE_IN > functions.len() {
        expect_none(&long, "Hardly a function is to be longer than 70 lines: name the steps of these.");
    }
}

#[test]
fn functions_are_measured() {
    let text = "trait A {\n    fn a(x: [u8; 2]) -> [u8; 2];\n    fn b(\n        c: char,\n    ) -> bool\n    where\n        \
                Self: Sized,\n    {\n        c == '}' // }\n    }\n}\nfn d() {}\n/// fn e() {}\ntype F = fn(u8);\n";
    let source = Source::new("src/plan/port.rs", text);
    let found: Vec<String> = functions(&source).iter().map(Function::report).collect();
    let expected = [
        "src/plan/port.rs:2: `a` has 1 lines",
        "src/plan/port.rs:3: `b` has 8 lines",
        "src/plan/port.rs:12: `d` has 1 lines",
    ];
    assert_eq!(found, expected);
}
