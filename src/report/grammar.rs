use std::fmt::Display;

/// A number and its noun: `1 service`, `3 services`, `2 entries`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {}", digits(number), plural(noun)) }
}

/// Things in a row: `a`, `a and b`, `a, b and c`.
pub fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// A number that can be read at a glance: `10,000`.
pub fn digits(number: usize) -> String {
    let plain = number.to_string();
    let mut text = String::with_capacity(plain.len() * 4 / 3);
    for (position, digit) in plain.chars().enumerate() {
        if position > 0 && (plain.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// More than one of them, for the regular nouns that are used here.
fn plural(noun: &str) -> String {
    let ends_in = |endings: &[&str]| endings.iter().any(|ending| noun.ends_with(ending));
    match noun.strip_suffix('y') {
        Some(stem) if !ends_in(&["ay", "ey", "oy"]) => format!("{stem}ies"),
        Some(_) | None if ends_in(&["s", "x", "ch", "sh"]) => format!("{noun}es"),
        Some(_) | None => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_with_their_nouns() {
        let table = [
            (0, "service", "0 services"),
            (1, "service", "1 service"),
            (3, "dependency", "3 dependencies"),
            (2, "key", "2 keys"),
            (2, "process", "2 processes"),
            (10_000, "service", "10,000 services"),
        ];
        for (number, noun, text) in table {
            assert_eq!(count(number, noun), text);
        }
    }

    #[test]
    fn lists_end_with_and() {
        let table: [(&[&str], &str); 4] =
            [(&[], ""), (&["a"], "a"), (&["a", "b"], "a and b"), (&["a", "b", "c"], "a, b and c")];
        for (items, text) in table {
            assert_eq!(list(items), text);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (1_234_567, "1,234,567")];
        for (number, text) in table {
            assert_eq!(digits(number), text);
        }
    }
}
