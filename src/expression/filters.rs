use std::{borrow::Cow, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{
    Environment, Error, State, Value, filters, tests,
    value::{Kwargs, Rest, ValueOrKwargs},
};
use sha2::{Digest as _, Sha256};

use super::{ErrorKind, ExpressionError, json, meter::Run};

/// A filter that is not metered: it reaches into its input by name, as `.` does, and takes nothing in.
pub(super) const ATTR: &str = "attr";

/// What a filter may make beyond what its input and result are charged for.
type Price = fn(&[Value]) -> usize;

macro_rules! metered {
    ($names:ident, $add:ident, $what:ident: $($name:literal => $function:expr, $price:expr;)*) => {
        /// All of them: there are no others.
        pub(super) const $names: [&str; [$($name),*].len()] = [$($name),*];

        fn $add(environment: &mut Environment<'static>) {
            $(
                let inner = Value::from_function($function);
                environment.$what($name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
                    metered(&inner, $price, state, args)
                });
            )*
        }
    };
}

metered! { FILTER_NAMES, add_filters, add_filter:
    "abs" => filters::abs, free;
    "b64decode" => b64decode, free;
    "b64encode" => b64encode, doubled;
    "batch" => filters::batch, sliced;
    "bool" => filters::bool, free;
    "capitalize" => filters::capitalize, doubled;
    "chain" => filters::chain, itemized;
    "count" => filters::length, free;
    "d" => filters::default, free;
    "default" => filters::default, free;
    "dictsort" => filters::dictsort, itemized;
    "e" => filters::escape, escaped;
    "escape" => filters::escape, escaped;
    "first" => filters::first, free;
    "float" => filters::float, free;
    "format" => filters::format, formatted;
    "groupby" => filters::groupby, itemized;
    "indent" => filters::indent, indented;
    "int" => filters::int, free;
    "items" => filters::items, itemized;
    "join" => join, free;
    "last" => filters::last, free;
    "length" => filters::length, free;
    "lines" => filters::lines, itemized;
    "list" => filters::list, itemized;
    "lower" => filters::lower, doubled;
    "map" => filters::map, itemized;
    "max" => filters::max, itemized;
    "min" => filters::min, itemized;
    "reject" => filters::reject, itemized;
    "rejectattr" => filters::rejectattr, itemized;
    "replace" => filters::replace, replaced;
    "reverse" => filters::reverse, doubled;
    "round" => filters::round, free;
    "safe" => filters::safe, doubled;
    "select" => filters::select, itemized;
    "selectattr" => filters::selectattr, itemized;
    "sha256" => sha256, free;
    "slice" => filters::slice, sliced;
    "sort" => filters::sort, itemized;
    "split" => filters::split, itemized;
    "string" => string, doubled;
    "sum" => filters::sum, free;
    "title" => filters::title, doubled;
    "tojson" => tojson, doubled;
    "trim" => filters::trim, doubled;
    "unique" => filters::unique, itemized;
    "upper" => filters::upper, doubled;
    "urlencode" => filters::urlencode, escaped;
    "zip" => filters::zip, itemized;
}

metered! { TEST_NAMES, add_tests, add_test:
    "boolean" => tests::is_boolean, free;
    "defined" => tests::is_defined, free;
    "divisibleby" => tests::is_divisibleby, free;
    "endingwith" => tests::is_endingwith, free;
    "eq" => tests::is_eq, free;
    "equalto" => tests::is_eq, free;
    "even" => tests::is_even, free;
    "false" => tests::is_false, free;
    "float" => tests::is_float, free;
    "ge" => tests::is_ge, free;
    "gt" => tests::is_gt, free;
    "in" => tests::is_in, free;
    "integer" => tests::is_integer, free;
    "iterable" => tests::is_iterable, free;
    "le" => tests::is_le, free;
    "lower" => tests::is_lower, free;
    "lt" => tests::is_lt, free;
    "mapping" => tests::is_mapping, free;
    "ne" => tests::is_ne, free;
    "none" => tests::is_none, free;
    "number" => tests::is_number, free;
    "odd" => tests::is_odd, free;
    "sequence" => tests::is_sequence, free;
    "startingwith" => tests::is_startingwith, free;
    "string" => tests::is_string, free;
    "true" => tests::is_true, free;
    "undefined" => tests::is_undefined, free;
    "upper" => tests::is_upper, free;
}

pub(super) fn add_to(environment: &mut Environment<'static>) {
    add_filters(environment);
    add_tests(environment);
    environment.add_filter(ATTR, filters::attr);
}

fn metered(inner: &Value, price: Price, state: &mut State, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let run = Run::of(state);
    let args = args.into_values();
    args.iter().try_for_each(|value| run.pay(value))?;
    run.charge(price(&args))?;
    let made = inner.call(state, &args)?;
    run.settle(made)
}

/// The argument at a position, or of that name.
fn argument(args: &[Value], position: usize, name: &str) -> Option<Value> {
    if let Some(value) = args.get(position).filter(|value| !value.is_kwargs()) {
        return Some(value.clone());
    }
    let named = args.last().filter(|value| value.is_kwargs())?.get_attr(name).ok()?;
    (!named.is_undefined()).then_some(named)
}

/// An upper bound for the text of a value that was paid for.
fn text_length(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.to_string().len(), str::len)
}

fn free(_: &[Value]) -> usize {
    0
}

fn doubled(args: &[Value]) -> usize {
    args.first().map_or(0, text_length)
}

fn escaped(args: &[Value]) -> usize {
    doubled(args).saturating_mul(6)
}

/// A list of a text's characters is much larger than the text.
fn itemized(args: &[Value]) -> usize {
    args.first().and_then(Value::as_str).map_or(0, |text| text.len().saturating_mul(64))
}

/// `batch` and `slice` make as many lists or items as they are told to.
fn sliced(args: &[Value]) -> usize {
    let count = args.get(1).and_then(Value::as_usize).unwrap_or(0);
    itemized(args).saturating_add(count.saturating_mul(64))
}

fn replaced(args: &[Value]) -> usize {
    let [text, from, to, ..] = args else { return 0 };
    let (text, from) = (text.to_string(), from.to_string());
    let matches = if from.is_empty() { text.len() + 1 } else { text.matches(&from).count() };
    matches.saturating_mul(text_length(to)).saturating_add(text.len())
}

fn indented(args: &[Value]) -> usize {
    // What is no text is indented as if it were.
    let lines = args.first().map_or(0, |value| value.to_string().matches(['\n', '\r']).count() + 1);
    let width = argument(args, 1, "width");
    let width = width.map_or(4, |width| width.as_usize().unwrap_or_else(|| text_length(&width)));
    lines.saturating_mul(width).saturating_add(doubled(args))
}

/// The widths and precisions that a format asks for, together; `*` takes them from the arguments.
fn formatted(args: &[Value]) -> usize {
    let Some(format) = args.first().and_then(Value::as_str) else { return 0 };
    let starred = if format.contains('*') {
        args.iter().filter_map(Value::as_i64).map(|width| width.unsigned_abs() as usize).fold(0, usize::saturating_add)
    } else {
        0
    };
    let values: usize = args[1..].iter().map(text_length).fold(0, usize::saturating_add);
    let repeated = format.matches('%').count().saturating_mul(values.saturating_add(starred).saturating_add(400));
    let numbers = format.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    numbers.map(|digits| digits.parse().unwrap_or(usize::MAX)).fold(repeated, usize::saturating_add)
}

fn b64encode(text: &str) -> String {
    STANDARD.encode(text)
}

fn b64decode(text: &str) -> Result<String, Error> {
    let bytes = STANDARD.decode(text.trim()).ok();
    let error = || ExpressionError::new(ErrorKind::Type, "`b64decode` needs the base64 of a UTF-8 text").into();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(error)
}

fn sha256(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        write!(hex, "{byte:02x}").expect("strings take everything");
    }
    hex
}

fn string(value: &Value) -> Result<String, Error> {
    Ok(json::text(value).map(Cow::into_owned)?)
}

fn join(state: &State, value: &Value, joiner: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let attribute = kwargs.get::<Option<&str>>("attribute")?;
    let joiner = joiner.or(kwargs.get::<Option<&str>>("joiner")?).unwrap_or_default();
    kwargs.assert_all_used()?;
    let run = Run::of(state);
    let mut joined = String::new();
    for (index, item) in value.try_iter()?.checked().enumerate() {
        let item = match attribute {
            Some(name) => item?.get_attr(name)?,
            None => item?,
        };
        let text = json::text(&item)?;
        run.charge(text.len() + joiner.len())?;
        joined.push_str(if index > 0 { joiner } else { "" });
        joined.push_str(&text);
    }
    Ok(joined)
}

/// JSON as it is, without the escapes for HTML that minijinja's own adds.
fn tojson(value: &Value, indent: Option<Value>, kwargs: Kwargs) -> Result<String, Error> {
    let indent = indent.or(kwargs.get::<Option<Value>>("indent")?);
    kwargs.assert_all_used()?;
    let json = json::from_value(value)?;
    let is_pretty = indent.is_some_and(|indent| indent.is_true());
    let text = if is_pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
    text.map_err(|_| ExpressionError::new(ErrorKind::Type, "this value cannot be written as JSON").into())
}
