use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error as _,
    sync::Arc,
};

use minijinja::{
    AutoEscape, Environment, Error, UndefinedBehavior, Value,
    machinery::{CodeGenerator, Instructions, Span, ast::Stmt, eval, make_string_output, parse},
    syntax::SyntaxConfig,
};

use super::{
    ErrorKind, ExpressionError, Host, Scope, check, compile, filters, functions, json, meter::Run, nearest::nearest,
};

/// The longest text that a template may become.
const LONGEST_OUTPUT: usize = 1 << 20;
/// Instructions of one render: a loop of some 10,000 rounds, a few milliseconds.
pub const FUEL: u64 = 100_000;
/// Macros cost four of it, loops one.
const RECURSION: usize = 60;

/// Renders templates.
pub struct Expressions {
    environment: Environment<'static>,
    syntax: SyntaxConfig,
}

/// What became of a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// A text; any type if the template is one `{{ expression }}` and nothing else.
    pub value: serde_json::Value,
    /// A secret or a sensitive variable had a part in it.
    pub is_secret: bool,
    /// The variables that were read.
    pub variables: BTreeSet<String>,
    /// The instructions that it took: what makes many templates is to bound their sum.
    pub steps: u64,
}

impl Expressions {
    pub fn new(host: Box<dyn Host + Send + Sync>) -> Self {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        // Errors name the undefined expression only in debug mode.
        environment.set_debug(true);
        environment.set_formatter(|out, state, value| {
            Run::of(state).pay(value)?;
            // Only an `if` without `else` gets here undefined: it is empty.
            if value.is_undefined() {
                return Ok(());
            }
            Ok(out.write_str(&json::text(value)?)?)
        });
        filters::add_to(&mut environment);
        functions::add_to(&mut environment, host);
        compile::add_to(&mut environment);
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        Self { environment, syntax: syntax.expect("minijinja's own delimiters are fine") }
    }

    /// Renders a template. `place` says where in the plan it is, for what is made once for a place.
    ///
    /// # Errors
    /// If the template cannot be read, uses what is not there, or does more than it may.
    pub fn render(&self, template: &str, scope: &Scope, place: &str) -> Result<Rendered, ExpressionError> {
        let run = Run::new(scope, place);
        let (value, steps) = self.evaluate(template, &run).map_err(|failure| match failure {
            Failure::Ours(error) => error,
            Failure::Theirs(error) => explain(&error, template, scope, &run),
        })?;
        Ok(Rendered { value, is_secret: run.is_secret(), variables: run.variables(), steps })
    }

    fn evaluate(&self, template: &str, run: &Arc<Run>) -> Result<(serde_json::Value, u64), Failure> {
        check::check_text(template, &self.syntax)?;
        let tree = parse(template, "", self.syntax.clone())?;
        let statements = match &tree {
            Stmt::Template(root) => &root.children[..],
            other => std::slice::from_ref(other),
        };
        check::check_statements(statements, 0)?;
        if let [Stmt::EmitExpr(only)] = statements {
            let mut generator = CodeGenerator::new("", template);
            let span = only.expr.span();
            generator.push_span(span);
            generator.compile_expr(&only.expr);
            let Evaluated { value, steps, .. } = self.run(&compile::metered(generator, template), run)?;
            // An undefined value is an error, or empty after an `if` without `else`: as for texts.
            if let Some(value) = value.filter(|value| !value.is_undefined()) {
                run.pay(&value).map_err(|error| ours(error, span))?;
                let json = json::from_value(&value).map_err(|error| error.at(span))?;
                check_output(json.as_str().unwrap_or_default())?;
                return Ok((json, steps));
            }
        }
        let mut generator = CodeGenerator::new("", template);
        generator.compile_stmt(&tree);
        let Evaluated { text, steps, .. } = self.run(&compile::metered(generator, template), run)?;
        check_output(&text)?;
        Ok((text.into(), steps))
    }

    fn run(&self, instructions: &Instructions, run: &Arc<Run>) -> Result<Evaluated, Error> {
        let mut text = String::new();
        let root = Value::from_dyn_object(run.clone());
        let blocks = BTreeMap::new();
        let mut output = make_string_output(&mut text);
        let (value, state) = eval(&self.environment, instructions, root, &blocks, &mut output, AutoEscape::None)?;
        let steps = state.fuel_levels().map_or(0, |(consumed, _)| consumed);
        drop(state);
        drop(output);
        Ok(Evaluated { value, text, steps })
    }
}

/// What a template's instructions came to.
struct Evaluated {
    value: Option<Value>,
    text: String,
    steps: u64,
}

fn check_output(text: &str) -> Result<(), ExpressionError> {
    if text.len() <= LONGEST_OUTPUT {
        return Ok(());
    }
    Err(ExpressionError::new(ErrorKind::Limit, format!("this template makes more than {} MiB", LONGEST_OUTPUT >> 20)))
}

/// An error of ours that came back through minijinja, now that it is known where it belongs.
fn ours(error: Error, span: Span) -> Failure {
    match error.source().and_then(|source| source.downcast_ref::<ExpressionError>()) {
        Some(ours) => Failure::Ours(ours.clone().at(span)),
        None => Failure::Theirs(error),
    }
}

enum Failure {
    Ours(ExpressionError),
    Theirs(Error),
}

impl From<ExpressionError> for Failure {
    fn from(error: ExpressionError) -> Self {
        Self::Ours(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Theirs(error)
    }
}

/// minijinja's error in our words. Its own may quote values, so they are only used while no secret
/// was read.
fn explain(error: &Error, template: &str, scope: &Scope, run: &Run) -> ExpressionError {
    let offset = error.range().filter(|range| template.get(range.clone()).is_some());
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(ours) = cause.downcast_ref::<ExpressionError>() {
            return ExpressionError { offset: ours.offset.clone().or(offset), ..ours.clone() };
        }
        source = cause.source();
    }
    let detail = error.detail().unwrap_or_default();
    let explained = match error.kind() {
        minijinja::ErrorKind::SyntaxError | minijinja::ErrorKind::BadEscape => syntax(detail, template),
        minijinja::ErrorKind::UndefinedError => undefined(&undefined_name(detail, template, offset.clone()), scope),
        minijinja::ErrorKind::UnknownFunction => unknown_function(detail, scope),
        minijinja::ErrorKind::UnknownMethod => ExpressionError::new(ErrorKind::Unknown, "there is no such method"),
        minijinja::ErrorKind::UnknownFilter | minijinja::ErrorKind::UnknownTest => {
            ExpressionError::new(ErrorKind::Unknown, detail)
        }
        minijinja::ErrorKind::OutOfFuel => {
            ExpressionError::new(ErrorKind::Limit, format!("this template takes more than {FUEL} steps"))
        }
        _ if is_limit(detail) => ExpressionError::new(ErrorKind::Limit, "this template does more than it may"),
        _ if run.is_secret() || detail.is_empty() => ExpressionError::new(ErrorKind::Type, error.kind()),
        _ => ExpressionError::new(ErrorKind::Type, detail),
    };
    let name = match explained.kind {
        ErrorKind::Undefined => undefined_name(detail, template, offset.clone()),
        _ => String::new(),
    };
    let place = template.find(&name).filter(|_| !name.is_empty()).map(|start| start..start + name.len());
    ExpressionError { offset: place.or(offset), ..explained }
}

fn is_limit(detail: &str) -> bool {
    ["recursion limit", "too large", "too many", "too deep"].iter().any(|words| detail.contains(words))
}

fn syntax(detail: &str, template: &str) -> ExpressionError {
    let error = ExpressionError::new(ErrorKind::Syntax, if detail.is_empty() { "syntax error" } else { detail });
    let unclosed = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .into_iter()
        .find(|(open, close)| template.matches(open).count() > template.matches(close).count());
    match unclosed {
        Some((open, close)) => error.hint(format!("a `{open}` is not closed by `{close}`; `{{% raw %}}` keeps braces")),
        None => error,
    }
}

/// What is undefined: minijinja puts it into the detail, as in "`vars.x` is undefined".
fn undefined_name(detail: &str, template: &str, offset: Option<std::ops::Range<usize>>) -> String {
    let named = detail.find("` is undefined").and_then(|end| {
        let start = detail[..end].rfind('`')? + 1;
        Some(detail[start..end].to_owned())
    });
    named.or_else(|| Some(template.get(offset?)?.trim().to_owned())).unwrap_or_default()
}

fn undefined(name: &str, scope: &Scope) -> ExpressionError {
    let error = |text: String| ExpressionError::new(ErrorKind::Undefined, text);
    let Some((root, rest)) = name.split_once('.') else {
        let error =
            error(if name.is_empty() { "an undefined value".into() } else { format!("`{name}` is not defined") });
        if name == "services" {
            return error.hint("only `outputs` can tell what runs: it is not known before");
        }
        return match scope.vars.contains_key(name) {
            true => error.hint(format!("variables are in `vars`: write `vars.{name}`")),
            false => error.meant(nearest_root(name, scope)),
        };
    };
    let first = rest.split(['.', '[']).next().unwrap_or(rest);
    match root {
        "vars" | "config" if !scope.vars.contains_key(first) => {
            let close = nearest(first, scope.vars.keys().map(String::as_str));
            let hint = format!("declare it under `vars:`, as in `vars: {{ {first}: {{ default: … }} }}`");
            error(format!("there is no variable `{first}`")).hint(hint).meant(close.map(|it| format!("{root}.{it}")))
        }
        "secrets" if !scope.secrets.contains_key(first) => {
            let close = nearest(first, scope.secrets.keys().map(String::as_str));
            let hint = format!("name it under `secrets:`, and its source in the environment: `{first}`");
            error(format!("there is no secret `{first}`")).hint(hint).meant(close.map(|it| format!("secrets.{it}")))
        }
        "services" => match scope.services {
            None => error("`services` can only be used in `outputs`: what runs is not known before".to_owned()),
            Some(services) if !services.contains_key(first) => {
                let close = nearest(first, services.keys().map(String::as_str));
                error(format!("there is no service `{first}`")).meant(close.map(|it| format!("services.{it}")))
            }
            Some(_) => {
                let text = format!("`{name}` is not known of a service");
                error(text)
                    .hint("what is known: `address`, `host`, `port(80)`, `ports`, `replicas`, `instances`, `image`")
            }
        },
        "env" if !scope.env.contains_key(first) => {
            let close = nearest(first, scope.env.keys().map(String::as_str));
            let hint = format!("set it, or give a default: `env('{first}', 'default')`");
            error(format!("the environment variable `{first}` is not set"))
                .hint(hint)
                .meant(close.map(|it| format!("env.{it}")))
        }
        _ => error(format!("`{name}` is not defined")),
    }
}

fn unknown_function(detail: &str, scope: &Scope) -> ExpressionError {
    let name = detail.strip_suffix(" is unknown").unwrap_or(detail);
    let error = ExpressionError::new(ErrorKind::Unknown, format!("there is no function `{name}`"));
    if filters::FILTER_NAMES.contains(&name) {
        return error.hint(format!("it is a filter: write `value|{name}`"));
    }
    error.meant(nearest_root(name, scope))
}

fn nearest_root(name: &str, scope: &Scope) -> Option<String> {
    const ROOTS: [&str; 7] = ["vars", "config", "secrets", "env", "environment", "plan", "service"];
    let root = nearest(name, ROOTS.into_iter().chain(functions::NAMES)).map(str::to_owned);
    root.or_else(|| nearest(name, scope.vars.keys().map(String::as_str)).map(|variable| format!("vars.{variable}")))
}
