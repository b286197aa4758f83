use std::borrow::Cow;

use minijinja::{Value, value::ObjectRepr};
use serde_json::{Map, Number};

use super::{ErrorKind, ExpressionError, functions::Moment};

/// What a variable's value costs: its texts, and 64 bytes for whatever else is there.
pub(super) fn size(json: &serde_json::Value) -> usize {
    match json {
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => 64,
        serde_json::Value::String(text) => 64 + text.len(),
        serde_json::Value::Array(items) => 64 + items.iter().map(size).sum::<usize>(),
        serde_json::Value::Object(entries) => {
            64 + entries.iter().map(|(key, value)| 64 + key.len() + size(value)).sum::<usize>()
        }
    }
}

pub(super) fn to_value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (None, Some(value)) => Value::from(value),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::from(items.iter().map(to_value).collect::<Vec<_>>()),
        serde_json::Value::Object(entries) => {
            Value::from_pairs(entries.iter().map(|(key, value)| (key.as_str(), to_value(value))))
        }
    }
}

/// A template's value as the plan's. The value was paid for, which bounds it and its depth.
///
/// # Errors
/// For what a plan cannot hold: functions, bytes, undefined values, numbers out of range.
pub(super) fn from_value(value: &Value) -> Result<serde_json::Value, ExpressionError> {
    let error = |text: &str| Err(ExpressionError::new(ErrorKind::Type, text));
    if let Some(text) = value.as_str() {
        return Ok(text.into());
    }
    if let Some(object) = value.as_object() {
        return match object.repr() {
            ObjectRepr::Seq | ObjectRepr::Iterable => {
                let items = object.try_iter().into_iter().flatten();
                items.map(|item| from_value(&item)).collect::<Result<_, _>>().map(serde_json::Value::Array)
            }
            ObjectRepr::Map => entries(object.try_iter_pairs().into_iter().flatten()),
            _ if object.downcast_ref::<Moment>().is_some() => Ok(value.to_string().into()),
            _ => error("this is a function, not a value").map_err(|error| error.hint("call it: write `name()`")),
        };
    }
    if value.is_undefined() {
        return error("this value is undefined");
    }
    if value.is_none() {
        return Ok(serde_json::Value::Null);
    }
    if value.is_number() {
        return number(value).map_or_else(|| error("this number cannot be written down"), |number| Ok(number.into()));
    }
    bool::try_from(value.clone())
        .map_or_else(|_| error("this kind of value cannot be written down"), |it| Ok(it.into()))
}

/// A value within a text: a text as it is, everything else as JSON writes it.
///
/// # Errors
/// For null, and what has no JSON.
pub(super) fn text(value: &Value) -> Result<Cow<'_, str>, ExpressionError> {
    if let Some(text) = value.as_str() {
        return Ok(text.into());
    }
    match from_value(value)? {
        serde_json::Value::Null => {
            let error = ExpressionError::new(ErrorKind::Type, "this value is null, which has no text");
            Err(error.hint("give it one, as in `value or 'none'`"))
        }
        serde_json::Value::String(text) => Ok(text.into()),
        other => Ok(other.to_string().into()),
    }
}

fn entries(pairs: impl Iterator<Item = (Value, Value)>) -> Result<serde_json::Value, ExpressionError> {
    let mut entries = Map::new();
    for (key, value) in pairs {
        let Some(key) = key.as_str() else {
            return Err(ExpressionError::new(ErrorKind::Type, "this map has a key that is not a text"));
        };
        entries.insert(key.to_owned(), from_value(&value)?);
    }
    Ok(serde_json::Value::Object(entries))
}

fn number(value: &Value) -> Option<Number> {
    if !value.is_integer() {
        return f64::try_from(value.clone()).ok().and_then(Number::from_f64);
    }
    let signed = i64::try_from(value.clone()).ok().map(Number::from);
    signed.or_else(|| u64::try_from(value.clone()).ok().map(Number::from))
}
