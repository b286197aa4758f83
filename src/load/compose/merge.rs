use crate::load::{
    Entry, MergeTag, Node, Value,
    overlay::{KeyIndex, put_over},
};

/// Puts one file over those before it, by Compose's rules.
pub(super) fn merge(base: &mut Node, over: Node) {
    let Value::Map(added) = over.value else { return };
    let Some(entries) = base.as_map_mut() else { return };
    for added in added {
        let Some(present) = entries.iter_mut().find(|entry| entry.key == added.key) else {
            entries.push(added);
            continue;
        };
        match &*added.key {
            "services" | "networks" | "volumes" | "configs" | "secrets" | "models" => {
                sections(&mut present.value, added.value);
            }
            "include" => append(&mut present.value, added.value),
            _ => {
                present.key_span = added.key_span;
                put_over(&mut present.value, added.value, &mut vec![added.key.to_string()]);
            }
        }
    }
}

/// The entries of a section merge one by one.
fn sections(base: &mut Node, over: Node) {
    if over.tag != MergeTag::None || base.is_null() {
        *base = over;
        return;
    }
    let Value::Map(added) = over.value else {
        // What is no mapping is refused, where it stands.
        if !over.is_null() {
            *base = over;
        }
        return;
    };
    let Some(entries) = base.as_map_mut() else { return };
    let mut index = KeyIndex::default();
    for added in added {
        match index.find(entries, &added.key) {
            Some(position) => entry(&mut entries[position], added),
            None => entries.push(added),
        }
    }
}

fn entry(base: &mut Entry, over: Entry) {
    if over.value.is_null() && over.value.tag == MergeTag::None {
        return;
    }
    put_service(&mut base.value, over.value);
}

/// Puts one service, or what else has a name, over another.
pub(super) fn put_service(base: &mut Node, mut over: Node) {
    // A key without a value says nothing where there is something.
    if let (Some(added), Some(_)) = (over.as_map_mut(), base.as_map()) {
        added.retain(|added| {
            !added.value.is_null() || added.value.tag != MergeTag::None || base.get(&added.key).is_none()
        });
    }
    replace_driver(base, &over);
    put_over(base, over, &mut Vec::new());
}

/// The options of one logging driver are none of another's.
fn replace_driver(base: &mut Node, over: &Node) {
    let driver = |node: &Node| {
        node.get("logging").and_then(|logging| logging.get("driver")).and_then(Node::as_text).map(str::to_owned)
    };
    let (Some(new), old) = (driver(over), driver(base)) else { return };
    if old.is_some_and(|old| old != new)
        && let Some(entries) = base.as_map_mut()
    {
        entries.retain(|entry| &*entry.key != "logging");
    }
}

fn append(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::List(items), Value::List(added)) => items.extend(added),
        (value, replacement) => *value = replacement,
    }
}
