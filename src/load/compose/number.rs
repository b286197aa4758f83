use crate::load::{Node, Scalar, ScalarKind, Value};

/// A number or boolean in a place for text, as Compose writes it: `1.10` becomes `1.1`, `0x1F` `31`.
pub(super) fn as_text(scalar: &Scalar) -> Option<String> {
    match scalar.kind {
        ScalarKind::Null | ScalarKind::String => None,
        ScalarKind::Bool => Some(scalar.as_bool()?.to_string()),
        ScalarKind::Integer => match octal(&scalar.text) {
            Some(number) => Some(number.to_string()),
            None => {
                let number = scalar.as_number()?;
                Some(if number.is_f64() { float(number.as_f64()?) } else { number.to_string() })
            }
        },
        ScalarKind::Float => Some(float(scalar.as_number()?.as_f64()?)),
    }
}

/// Rewrites the values of a mapping of texts.
pub(super) fn texts(node: &mut Node) {
    for entry in node.as_map_mut().into_iter().flatten() {
        let Value::Scalar(scalar) = &mut entry.value.value else { continue };
        if let Some(text) = as_text(scalar) {
            *scalar = Scalar { text: text.into(), kind: ScalarKind::String, state: scalar.state };
        }
    }
}

/// `0440` is a number of base 8 to YAML 1.1, which Compose reads.
fn octal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('0').filter(|digits| !digits.is_empty())?;
    u64::from_str_radix(digits, 8).ok()
}

/// The shortest text that reads back as the same number; with an exponent from a million on.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("this form always has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    match !(-4..6).contains(&exponent) {
        true => format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
        false => format!("{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_what_compose_makes_of_them() {
        let table = [
            ("1.10", "1.1"),
            ("0x1F", "31"),
            ("0440", "288"),
            ("0", "0"),
            ("-1", "-1"),
            ("True", "true"),
            ("FALSE", "false"),
            ("1e3", "1000"),
            ("3.0", "3"),
            ("100000000.0", "1e+08"),
            ("0.00001", "1e-05"),
            ("12345678901234567890123", "1.2345678901234568e+22"),
        ];
        for (written, text) in table {
            assert_eq!(as_text(&Scalar::plain(written)).as_deref(), Some(text), "{written}");
        }
        assert_eq!(as_text(&Scalar::plain("1.2.3")), None);
    }
}
