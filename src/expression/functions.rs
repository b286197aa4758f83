use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{
    Environment, Error, State, Value,
    value::{Object, ObjectRepr},
};

use super::{ErrorKind, ExpressionError, Host, meter::Run};

/// The names of all functions, for suggestions.
pub(super) const NAMES: [&str; 7] = ["now", "random_string", "file", "base64_encode", "env", "range", "dict"];

/// The longest random string.
const LONGEST_RANDOM: usize = 4096;
/// The largest file: it becomes part of a scalar.
const LARGEST_FILE: usize = 1 << 20;
/// The longest range.
const LONGEST_RANGE: i64 = 10_000;

/// What `now()` gives: prints as RFC 3339, and has `isoformat()` for those who know Python.
#[derive(Debug)]
pub(super) struct Moment(String);

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match (method, args) {
            ("isoformat", []) => Ok(Value::from(self.0.as_str())),
            _ => {
                let text = format!("`now()` has no method `{method}`");
                Err(ExpressionError::new(ErrorKind::Unknown, text).hint("it has `isoformat()`").into())
            }
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn add_to(environment: &mut Environment<'static>, host: Box<dyn Host + Send + Sync>) {
    let host: Arc<dyn Host + Send + Sync> = host.into();
    let clock = host.clone();
    environment.add_function("now", move |state: &State| Value::from_object(Moment(clock.now(&Run::of(state).place))));
    let dice = host.clone();
    environment.add_function("random_string", move |state: &State, length: usize| {
        random_string(&*dice, &Run::of(state), length)
    });
    environment.add_function("file", move |state: &State, path: &str| file(&*host, &Run::of(state), path));
    environment.add_function("base64_encode", |state: &State, text: &str| {
        Run::of(state).charge(text.len() * 2)?;
        Ok::<_, Error>(STANDARD.encode(text))
    });
    environment.add_function("range", range);
    environment.add_function("dict", |state: &State, value: Option<Value>, entries: minijinja::value::Kwargs| {
        let run = Run::of(state);
        value.iter().try_for_each(|value| run.pay(value))?;
        run.settle(minijinja::functions::dict(value, entries)?)
    });
}

fn random_string(host: &dyn Host, run: &Run, length: usize) -> Result<String, Error> {
    if !(1..=LONGEST_RANDOM).contains(&length) {
        let text = format!("a random string has between 1 and {LONGEST_RANDOM} characters");
        return Err(ExpressionError::new(ErrorKind::Limit, text).into());
    }
    run.charge(length)?;
    Ok(match run.count_random_string() {
        0 => host.random_string(&run.place, length),
        before => host.random_string(&format!("{}#{}", run.place, before + 1), length),
    })
}

fn file(host: &dyn Host, run: &Run, path: &str) -> Result<String, Error> {
    let content = host.file(path).map_err(|reason| {
        let text = if run.is_secret() { "this file cannot be read" } else { &reason };
        ExpressionError::new(ErrorKind::File, text)
    })?;
    let path = run.shown(path);
    if content.len() > LARGEST_FILE {
        let text = format!("`{path}` is larger than {} MiB, too large for a value", LARGEST_FILE >> 20);
        return Err(ExpressionError::new(ErrorKind::Limit, text).hint("use a config or a volume").into());
    }
    run.charge(content.len())?;
    Ok(content)
}

fn range(state: &State, first: i64, end: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (first, end, step) = (end.map_or(0, |_| first), end.unwrap_or(first), step.unwrap_or(1));
    if step == 0 {
        return Err(ExpressionError::new(ErrorKind::Type, "a range cannot have steps of 0").into());
    }
    let length = (i128::from(end) - i128::from(first)).div_euclid(i128::from(step));
    if length > i128::from(LONGEST_RANGE) {
        let text = format!("a range has at most {LONGEST_RANGE} numbers");
        return Err(ExpressionError::new(ErrorKind::Limit, text).into());
    }
    let is_inside = |number: &i64| if step > 0 { *number < end } else { *number > end };
    let numbers = std::iter::successors(Some(first), |number| number.checked_add(step)).take_while(is_inside);
    Run::of(state).settle(Value::from(numbers.map(Value::from).collect::<Vec<_>>()))
}
