use minijinja::machinery::{
    Span, Token,
    ast::{BinOpKind, Call, CallArg, Expr, Spanned, Stmt},
    tokenize,
};
use minijinja::syntax::SyntaxConfig;

use super::{
    ErrorKind, ExpressionError,
    filters::{ATTR, FILTER_NAMES, TEST_NAMES},
    nearest::nearest,
};

/// The longest template, in bytes.
const LONGEST: usize = 64 << 10;
/// Parsing, compiling and dropping a syntax tree is recursive, and chains of operators nest too.
const MOST_TOKENS: usize = 4000;
const DEEPEST: usize = 100;
/// Brackets within brackets.
const MOST_BRACKETS: usize = 40;
/// Signs for which the parser calls itself without counting: `-`, `not`, `elif`, `else`.
const MOST_UNCOUNTED: usize = 300;
/// A template of at most so many bytes is too short to nest too deep.
const HARMLESS: usize = 64;
/// What `"-" * 20` of two literals may make: minijinja works it out while it compiles.
const LONGEST_REPEATED: usize = 1024;

/// Refuses a template that is too long, or nests too deep to be parsed.
pub(super) fn check_text(template: &str, syntax: &SyntaxConfig) -> Result<(), ExpressionError> {
    if template.len() > LONGEST {
        let text = format!("this template is longer than {} KiB", LONGEST >> 10);
        return Err(ExpressionError::new(ErrorKind::Limit, text).hint("use a config with `file`"));
    }
    if template.len() <= HARMLESS {
        return Ok(());
    }
    // A token that cannot be read is the parser's to report.
    let tokens = tokenize(template, false, syntax.clone()).map_while(Result::ok);
    let (mut uncounted, mut brackets) = (0, 0_usize);
    for (count, (token, span)) in tokens.enumerate() {
        match token {
            Token::Minus | Token::Ident("not" | "elif" | "else") => uncounted += 1,
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => brackets += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        if uncounted > MOST_UNCOUNTED || brackets > MOST_BRACKETS {
            return Err(too_deep(span));
        }
        if count > MOST_TOKENS {
            let text = format!("this template has more than {MOST_TOKENS} words and signs");
            return Err(ExpressionError::new(ErrorKind::Limit, text).at(span));
        }
    }
    Ok(())
}

/// Refuses statements and expressions that are not for values.
pub(super) fn check_statements(statements: &[Stmt], depth: usize) -> Result<(), ExpressionError> {
    statements.iter().try_for_each(|statement| check_statement(statement, depth))
}

fn check_statement(statement: &Stmt, depth: usize) -> Result<(), ExpressionError> {
    let inner = depth + 1;
    match statement {
        Stmt::Template(it) => check_statements(&it.children, inner),
        Stmt::EmitRaw(_) => Ok(()),
        Stmt::EmitExpr(it) => check(&it.expr, inner),
        Stmt::ForLoop(it) => {
            guard(depth, it.span())?;
            check_target(&it.target)?;
            check(&it.iter, inner)?;
            it.filter_expr.iter().try_for_each(|filter| check(filter, inner))?;
            check_statements(&it.body, inner)?;
            check_statements(&it.else_body, inner)
        }
        Stmt::IfCond(it) => {
            guard(depth, it.span())?;
            check(&it.expr, inner)?;
            check_statements(&it.true_body, inner)?;
            check_statements(&it.false_body, inner)
        }
        Stmt::WithBlock(it) => {
            for (target, expression) in &it.assignments {
                check_target(target)?;
                check(expression, inner)?;
            }
            check_statements(&it.body, inner)
        }
        Stmt::Set(it) => {
            check_target(&it.target)?;
            check(&it.expr, inner)
        }
        Stmt::SetBlock(it) => {
            check_target(&it.target)?;
            it.filter.iter().try_for_each(|filter| check(filter, inner))?;
            check_statements(&it.body, inner)
        }
        Stmt::FilterBlock(it) => {
            check(&it.filter, inner)?;
            check_statements(&it.body, inner)
        }
        Stmt::Macro(it) => {
            it.args.iter().try_for_each(check_target)?;
            it.defaults.iter().try_for_each(|default| check(default, inner))?;
            check_statements(&it.body, inner)
        }
        Stmt::CallBlock(it) => {
            check_call(&it.call, inner)?;
            check_statements(&it.macro_decl.body, inner)
        }
        Stmt::Do(it) => check_call(&it.call, inner),
        Stmt::AutoEscape(it) => Err(no_statement("autoescape", it.span())),
        Stmt::Block(it) => Err(no_statement("block", it.span())),
        Stmt::Import(it) => Err(no_statement("import", it.span())),
        Stmt::FromImport(it) => Err(no_statement("from", it.span())),
        Stmt::Extends(it) => Err(no_statement("extends", it.span())),
        Stmt::Include(it) => Err(no_statement("include", it.span())),
    }
}

/// Only names are assigned to: values do not change.
fn check_target(target: &Expr) -> Result<(), ExpressionError> {
    match target {
        Expr::Var(_) => Ok(()),
        Expr::List(list) => list.items.iter().try_for_each(check_target),
        other => Err(ExpressionError::new(ErrorKind::Syntax, "only a name can be set").at(other.span())),
    }
}

fn check(expression: &Expr, depth: usize) -> Result<(), ExpressionError> {
    guard(depth, expression.span())?;
    let inner = depth + 1;
    match expression {
        Expr::Const(_) => Ok(()),
        Expr::Var(it) => match it.id {
            "self" | "super" => Err(ExpressionError::new(ErrorKind::Syntax, "a value has no blocks").at(it.span())),
            _ => Ok(()),
        },
        Expr::Slice(it) => {
            check(&it.expr, inner)?;
            [&it.start, &it.stop, &it.step].into_iter().flatten().try_for_each(|bound| check(bound, inner))
        }
        Expr::UnaryOp(it) => check(&it.expr, inner),
        Expr::BinOp(it) => {
            check(&it.left, inner)?;
            check(&it.right, inner)?;
            match it.op {
                BinOpKind::Mul => check_repeated(&it.left, &it.right, it.span()),
                _ => Ok(()),
            }
        }
        Expr::Compare(it) => {
            check(&it.expr, inner)?;
            it.ops.iter().try_for_each(|operation| check(&operation.expr, inner))
        }
        Expr::IfExpr(it) => {
            check(&it.test_expr, inner)?;
            check(&it.true_expr, inner)?;
            it.false_expr.iter().try_for_each(|other| check(other, inner))
        }
        Expr::Filter(it) => {
            check_name("filter", it.name, &FILTER_NAMES, it.span())?;
            it.expr.iter().try_for_each(|value| check(value, inner))?;
            check_arguments(&it.args, inner)
        }
        Expr::Test(it) => {
            check_name("test", it.name, &TEST_NAMES, it.span())?;
            check(&it.expr, inner)?;
            check_arguments(&it.args, inner)
        }
        Expr::GetAttr(it) => check(&it.expr, inner),
        Expr::GetItem(it) => {
            check(&it.expr, inner)?;
            check(&it.subscript_expr, inner)
        }
        Expr::Call(it) => check_call(it, inner),
        Expr::List(it) => it.items.iter().try_for_each(|item| check(item, inner)),
        Expr::Tuple(it) => it.items.iter().try_for_each(|item| check(item, inner)),
        Expr::Map(it) => it.keys.iter().chain(&it.values).try_for_each(|entry| check(entry, inner)),
    }
}

fn check_call(call: &Spanned<Call>, depth: usize) -> Result<(), ExpressionError> {
    check(&call.expr, depth)?;
    check_arguments(&call.args, depth)
}

fn check_arguments(arguments: &[CallArg], depth: usize) -> Result<(), ExpressionError> {
    arguments.iter().try_for_each(|argument| match argument {
        CallArg::Pos(value) | CallArg::Kwarg(_, value) => check(value, depth),
        CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
            Err(ExpressionError::new(ErrorKind::Syntax, "arguments are written one by one here").at(value.span()))
        }
    })
}

fn check_name(what: &str, name: &str, known: &[&'static str], span: Span) -> Result<(), ExpressionError> {
    if known.contains(&name) || name == ATTR {
        return Ok(());
    }
    let error = ExpressionError::new(ErrorKind::Unknown, format!("there is no {what} `{name}`"));
    Err(error.meant(nearest(name, known.iter().copied())).at(span))
}

fn check_repeated(left: &Expr, right: &Expr, span: Span) -> Result<(), ExpressionError> {
    let (Some(left), Some(right)) = (left.as_const(), right.as_const()) else { return Ok(()) };
    let (repeated, count) = if right.is_integer() { (left, right) } else { (right, left) };
    let (Some(length), Some(count)) = (repeated.len(), count.as_usize()) else { return Ok(()) };
    if length.saturating_mul(count) <= LONGEST_REPEATED {
        return Ok(());
    }
    let text = format!("this repeats a value to more than {LONGEST_REPEATED} characters or items");
    Err(ExpressionError::new(ErrorKind::Limit, text).at(span))
}

fn no_statement(name: &str, span: Span) -> ExpressionError {
    let error = ExpressionError::new(ErrorKind::Syntax, format!("`{{% {name} %}}` has no place in a value")).at(span);
    error.hint("a plan is put together with `include`, and a file's content comes from `file(path)`")
}

fn guard(depth: usize, span: Span) -> Result<(), ExpressionError> {
    if depth > DEEPEST { Err(too_deep(span)) } else { Ok(()) }
}

fn too_deep(span: Span) -> ExpressionError {
    let text = format!("this template nests or chains more than {DEEPEST} operations");
    ExpressionError::new(ErrorKind::Limit, text).at(span)
}
