use minijinja::{
    Environment, Error, State, Value,
    machinery::{CodeGenerator, Instruction, Instructions},
    value::{Rest, ValueKind},
};

use super::{ErrorKind, ExpressionError, json, meter::Run};

// The functions that metered instructions call. No template can write their names.
const WEIGH: &str = "\u{1}weigh";
const WEIGH_PRODUCT: &str = "\u{1}weigh_product";
const WEIGH_TEXTS: &str = "\u{1}weigh_texts";
const WEIGH_SEARCH: &str = "\u{1}weigh_search";
const SETTLE: &str = "\u{1}settle";
const SETTLE_MAP: &str = "\u{1}settle_map";

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_function(WEIGH, |state: &State, operands: Rest<Value>| {
        let run = Run::of(state);
        operands.iter().try_for_each(|operand| run.pay(operand))?;
        Ok::<_, Error>(weighed(operands))
    });
    environment.add_function(WEIGH_PRODUCT, |state: &State, operands: Rest<Value>| {
        let run = Run::of(state);
        operands.iter().try_for_each(|operand| run.pay(operand))?;
        if let [left, right] = &operands[..] {
            run.charge(product_price(left, right).max(product_price(right, left)))?;
        }
        Ok::<_, Error>(weighed(operands))
    });
    environment.add_function(WEIGH_TEXTS, |state: &State, operands: Rest<Value>| {
        let run = Run::of(state);
        let mut texts = Vec::with_capacity(operands.len());
        for operand in operands.0.into_iter().rev() {
            run.pay(&operand)?;
            texts.push(if operand.is_undefined() { operand } else { json::text(&operand)?.into() });
        }
        Ok::<_, Error>(texts)
    });
    environment.add_function(WEIGH_SEARCH, |state: &State, operands: Rest<Value>| {
        let run = Run::of(state);
        if let [value, container] = &operands[..] {
            run.pay(value)?;
            run.pay_search(container)?;
        }
        Ok::<_, Error>(weighed(operands))
    });
    environment.add_function(SETTLE, |state: &State, value: Value| Run::of(state).settle(value));
    environment.add_function(SETTLE_MAP, |state: &State, value: Value| {
        for key in value.try_iter()? {
            if !matches!(key.kind(), ValueKind::String | ValueKind::Number) {
                return Err(ExpressionError::new(ErrorKind::Type, "a map's keys are texts or numbers").into());
            }
        }
        Run::of(state).settle(value)
    });
}

/// The operands for `UnpackList`, which puts a list's first item on top of the stack.
fn weighed(operands: Rest<Value>) -> Vec<Value> {
    operands.0.into_iter().rev().collect()
}

/// What repeating `repeated` costs, if that is what a product does.
fn product_price(repeated: &Value, count: &Value) -> usize {
    match (repeated.as_str(), repeated.len(), count.as_usize()) {
        (Some(text), _, Some(count)) => text.len().saturating_mul(count),
        (None, Some(length), Some(count)) => length.saturating_mul(count).saturating_mul(64),
        (_, _, None) | (None, None, Some(_)) => 0,
    }
}

/// The instructions of a checked template, each that can multiply its input preceded or followed by
/// one that pays for it.
pub(super) fn metered<'a>(generator: CodeGenerator<'a>, template: &'a str) -> Instructions<'a> {
    let (plain, _) = generator.finish();
    let mut new_indices = Vec::with_capacity(16);
    let mut next = 0;
    for index in 0.. {
        let Some(instruction) = plain.get(index) else { break };
        new_indices.push(next);
        next += replacement(instruction).len() as u32;
    }
    if next as usize == new_indices.len() {
        return plain;
    }
    new_indices.push(next);
    let mut metered = Instructions::new("", template);
    for index in 0.. {
        let Some(instruction) = plain.get(index) else { break };
        for mut instruction in replacement(instruction) {
            if let Some(target) = jump_target(&mut instruction) {
                *target = new_indices[*target as usize];
            }
            match plain.get_span(index) {
                Some(span) => metered.add_with_span(instruction, span),
                None => metered.add(instruction),
            };
        }
    }
    metered
}

fn replacement<'a>(instruction: &Instruction<'a>) -> Vec<Instruction<'a>> {
    let operator =
        |weigh| vec![Instruction::CallFunction(weigh, Some(2)), Instruction::UnpackList(2), instruction.clone()];
    let maker = |settle| vec![instruction.clone(), Instruction::CallFunction(settle, Some(1))];
    match instruction {
        Instruction::EmitRaw(text) => vec![Instruction::LoadConst(Value::from(*text)), Instruction::Emit],
        Instruction::Mul => operator(WEIGH_PRODUCT),
        Instruction::StringConcat => operator(WEIGH_TEXTS),
        Instruction::In => operator(WEIGH_SEARCH),
        Instruction::Add
        | Instruction::Eq
        | Instruction::Ne
        | Instruction::Gt
        | Instruction::Gte
        | Instruction::Lt
        | Instruction::Lte
        | Instruction::CompareAndPreserve(_) => operator(WEIGH),
        Instruction::Slice | Instruction::BuildList(_) | Instruction::BuildTuple(_) => maker(SETTLE),
        Instruction::BuildMap(_) => maker(SETTLE_MAP),
        // What takes in or makes no more than a value, and what its callee pays for.
        Instruction::StoreLocal(_)
        | Instruction::Lookup(_)
        | Instruction::GetAttr(_)
        | Instruction::GetItem
        | Instruction::LoadConst(_)
        | Instruction::BuildKwargs(_)
        | Instruction::MergeKwargs(_)
        | Instruction::UnpackList(_)
        | Instruction::Sub
        | Instruction::Div
        | Instruction::IntDiv
        | Instruction::Rem
        | Instruction::Pow
        | Instruction::Neg
        | Instruction::Not
        | Instruction::ApplyFilter(..)
        | Instruction::PerformTest(..)
        | Instruction::Emit
        | Instruction::PushLoop(_)
        | Instruction::PushWith
        | Instruction::Iterate(_)
        | Instruction::PushDidNotIterate
        | Instruction::PopFrame
        | Instruction::PopLoopFrame
        | Instruction::Jump(_)
        | Instruction::JumpIfFalse(_)
        | Instruction::JumpIfFalseOrPop(_)
        | Instruction::JumpIfTrueOrPop(_)
        | Instruction::BeginCapture(_)
        | Instruction::EndCapture
        | Instruction::CallFunction(..)
        | Instruction::CallMethod(..)
        | Instruction::CallObject(_)
        | Instruction::DupTop
        | Instruction::DiscardTop
        | Instruction::FastRecurse
        | Instruction::Swap
        | Instruction::BuildMacro(..)
        | Instruction::Return
        | Instruction::IsUndefined
        | Instruction::Enclose(_)
        | Instruction::GetClosure
        // What no checked template compiles to.
        | Instruction::SetAttr(_)
        | Instruction::UnpackLists(_)
        | Instruction::PushAutoEscape
        | Instruction::PopAutoEscape
        | Instruction::FastSuper
        | Instruction::CallBlock(_)
        | Instruction::LoadBlocks
        | Instruction::Include(_)
        | Instruction::ExportLocals => vec![instruction.clone()],
    }
}

fn jump_target<'i>(instruction: &'i mut Instruction) -> Option<&'i mut u32> {
    match instruction {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}
