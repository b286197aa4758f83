use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value as Json;

use super::{
    Inputs, Node, Scalar, ScalarKind,
    decode::decode,
    include::template_refused,
    library::Library,
    parse::parse,
    problem::{suggest, wrong},
    target::{Target, has_template},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Span},
    expression,
    plan::{Variable, VariableType},
};

/// The prefix of variables of the process environment that give values.
const PREFIX: &str = "ORCHESTRATE_VAR_";

/// The values of a plan's variables, and for each where it came from.
#[derive(Default)]
pub(super) struct Variables {
    pub values: Arc<BTreeMap<String, expression::Variable>>,
    /// `vars.version from environments/production.yaml:3`.
    pub origins: BTreeMap<String, String>,
    /// Variables whose declaration or value was reported as wrong.
    pub broken: BTreeSet<String>,
}

/// A value that was given for a variable, before its type is known.
struct Given {
    node: Node,
    /// Whether it is text from outside of any document, which is read as the type asks.
    is_text: bool,
    from: String,
}

/// Reads the declarations and finds each variable's value: its default, then the environment's
/// file, then the process environment, then `--var`.
pub(super) fn resolve(
    plan: &Node,
    target: Option<&Target>,
    inputs: &Inputs,
    library: &Library,
    problems: &mut Diagnostics,
) -> Variables {
    let mut given = collect(plan, target, inputs, library, problems);
    let mut variables = Variables::default();
    let mut values = BTreeMap::new();
    for entry in plan.entries("vars") {
        let name = entry.key.to_string();
        let before = problems.len();
        let place = format!("vars.{name}");
        if entry.value.get("default").is_some_and(has_template) {
            problems.push(template_refused(&place, entry.value.span));
        }
        let declared = match decode::<Variable>(&entry.value, &place) {
            Ok(declared) => declared,
            // The schema says what is wrong with it.
            Err(_) => {
                variables.broken.insert(name);
                continue;
            }
        };
        let given = given.remove(&*name).or_else(|| default(&entry.value));
        let value = match given {
            None if declared.required == Some(false) => Some((Json::Null, "nothing".to_owned())),
            None => {
                problems.push(missing(&name, entry.key_span, target));
                None
            }
            Some(given) => check(&name, &declared, &given, problems).map(|value| (value, given.from)),
        };
        match value {
            Some((value, from)) if problems.len() == before => {
                variables.origins.insert(name.clone(), format!("vars.{name} from {from}"));
                let sensitive = declared.sensitive;
                values.insert(name, expression::Variable { value, sensitive });
            }
            Some(_) | None => drop(variables.broken.insert(name)),
        }
    }
    variables.values = Arc::new(values);
    variables
}

fn default(declaration: &Node) -> Option<Given> {
    let node = declaration.get("default")?.clone();
    Some(Given { node, is_text: false, from: "its default".to_owned() })
}

fn missing(name: &str, span: Span, target: Option<&Target>) -> Diagnostic {
    let diagnostic = wrong("missing-variable", format!("the variable `{name}` has no value")).at(span, "needs one");
    let diagnostic = diagnostic.hint(format!("give it with `--var {name}=…`"));
    match target {
        Some(target) => diagnostic.hint(format!("or under `vars` in `{}`", target.shown)),
        None => diagnostic,
    }
}

/// What was given from outside of the plan, later sources over earlier ones.
fn collect(
    plan: &Node,
    target: Option<&Target>,
    inputs: &Inputs,
    library: &Library,
    problems: &mut Diagnostics,
) -> BTreeMap<String, Given> {
    let known: Vec<&str> = plan.entries("vars").iter().map(|entry| &*entry.key).collect();
    let unknown = |diagnostic: Diagnostic, name: &str| suggest(diagnostic, name, known.iter().copied(), "variables");
    let is_sensitive = |name: &str| {
        let flag =
            plan.get("vars").and_then(|vars| vars.get(name)).and_then(|declaration| declaration.get("sensitive"));
        flag.and_then(Node::as_scalar).and_then(Scalar::as_bool) == Some(true)
    };
    let mut given = BTreeMap::new();
    for entry in target.map(|target| target.node.entries("vars")).unwrap_or_default() {
        if !known.contains(&&*entry.key) {
            let summary = format!("the plan has no variable `{}`", entry.key);
            problems.push(unknown(wrong("unknown-variable", summary).at(entry.key_span, "unknown"), &entry.key));
            continue;
        }
        let from = library.position(entry.value.span);
        given.insert(entry.key.to_string(), Given { node: entry.value.clone(), is_text: false, from });
    }
    for (variable, text) in inputs.env.range(PREFIX.to_owned()..) {
        let Some(name) = variable.strip_prefix(PREFIX) else { break };
        if !known.contains(&name) {
            let summary = format!("`{variable}` is set, but the plan has no variable `{name}`");
            let diagnostic =
                Diagnostic { severity: crate::diagnostic::Severity::Warning, ..wrong("unknown-variable", summary) };
            problems.push(unknown(diagnostic, name));
            continue;
        }
        given.insert(name.to_owned(), text_given(variable, text, is_sensitive(name), library));
    }
    for (name, text) in &inputs.vars {
        if !known.contains(&name.as_str()) {
            let summary = format!("`--var {name}`: the plan has no variable of that name");
            problems.push(unknown(wrong("unknown-variable", summary), name));
            continue;
        }
        given.insert(name.clone(), text_given("--var", text, is_sensitive(name), library));
    }
    given
}

/// A sensitive value is not kept as a source: excerpts come from there.
fn text_given(from: &str, text: &str, is_sensitive: bool, library: &Library) -> Given {
    let file = library.add(from, if is_sensitive { "***" } else { text });
    let span = Span { file, start: 0, end: u32::try_from(text.len()).unwrap_or(u32::MAX), line: 1, column: 1 };
    Given { node: Node::scalar(span, Scalar::string(text)), is_text: true, from: from.to_owned() }
}

/// A value as its declaration wants it.
fn check(name: &str, declared: &Variable, given: &Given, problems: &mut Diagnostics) -> Option<Json> {
    let shown = |text: &str| if declared.sensitive { "***".to_owned() } else { text.to_owned() };
    // Nor is the line shown that a sensitive value was written on.
    let at = |diagnostic: Diagnostic| match declared.sensitive {
        true => diagnostic.hint(format!("its value is from {}", given.from)),
        false => diagnostic.at(given.node.span, format!("from {}", given.from)),
    };
    let Some(value) = typed(declared.kind, given) else {
        let what = match given.node.as_text() {
            Some(text) => format!("`{}`", shown(text)),
            None => given.node.describe().to_owned(),
        };
        let summary = format!("the variable `{name}` has to be {}, not {what}", type_name(declared.kind));
        problems.push(at(wrong("wrong-type", summary)));
        return None;
    };
    let text = shown(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    if let Some(complaint) = out_of_bounds(declared, &value) {
        problems.push(at(wrong("invalid-variable", format!("the variable `{name}` is `{text}`, {complaint}"))));
        return None;
    }
    Some(value)
}

fn typed(kind: VariableType, given: &Given) -> Option<Json> {
    let node = match (given.is_text, kind) {
        (false, _) | (true, VariableType::String) => given.node.clone(),
        (true, VariableType::Integer | VariableType::Number | VariableType::Boolean) => {
            Node::scalar(given.node.span, Scalar::plain(given.node.as_text()?.trim()))
        }
        (true, VariableType::List | VariableType::Map) => {
            parse(given.node.span.file, given.node.as_text()?, &mut Vec::new())?
        }
    };
    let scalar = node.as_scalar();
    let is = |kinds: &[ScalarKind]| scalar.is_some_and(|scalar| kinds.contains(&scalar.kind));
    let fits = match kind {
        // Not only what was quoted: `3.10` is a fine version, and stays `3.10`.
        VariableType::String if is(&[ScalarKind::Integer, ScalarKind::Float]) => {
            return scalar.map(|scalar| (*scalar.text).into());
        }
        VariableType::String => is(&[ScalarKind::String]),
        VariableType::Integer => is(&[ScalarKind::Integer]),
        VariableType::Number => is(&[ScalarKind::Integer, ScalarKind::Float]),
        VariableType::Boolean => is(&[ScalarKind::Bool]),
        VariableType::List => node.as_list().is_some(),
        VariableType::Map => node.as_map().is_some(),
    };
    fits.then(|| node.to_json())
}

fn type_name(kind: VariableType) -> &'static str {
    match kind {
        VariableType::String => "a string",
        VariableType::Integer => "an integer",
        VariableType::Number => "a number",
        VariableType::Boolean => "a boolean",
        VariableType::List => "a list",
        VariableType::Map => "a mapping",
    }
}

fn out_of_bounds(declared: &Variable, value: &Json) -> Option<String> {
    let number = value.as_f64();
    if let (Some(minimum), Some(number)) = (declared.minimum, number)
        && number < minimum
    {
        return Some(format!("less than its minimum of {minimum}"));
    }
    if let (Some(maximum), Some(number)) = (declared.maximum, number)
        && number > maximum
    {
        return Some(format!("more than its maximum of {maximum}"));
    }
    if let Some(allowed) = declared.allowed.as_ref().filter(|allowed| !allowed.contains(value)) {
        let allowed: Vec<String> =
            allowed.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        return Some(format!("none of {}", super::problem::list(&allowed)));
    }
    let pattern = declared.pattern.as_ref()?;
    // A pattern that is none was reported by the schema.
    let regex = regex::Regex::new(&format!("^(?:{pattern})$")).ok()?;
    let matches = value.as_str().is_none_or(|text| regex.is_match(text));
    (!matches).then(|| format!("which its pattern `{pattern}` does not match"))
}
