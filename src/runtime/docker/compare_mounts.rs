//! What is mounted into two containers, however that was said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::compare::normal;
use crate::observed::Difference;

/// In what the mounts of two containers' settings differ. At the targets in `files` there is to be
/// something, whatever it is.
pub(super) fn compare(found: &Value, wanted: &Value, files: &BTreeSet<&str>) -> Vec<Difference> {
    let (mut before, mut after) = (mounts(found), mounts(wanted));
    for target in files {
        let is_there = before.remove(*target).is_some();
        // What is wanted there has a place of ours, whatever it is where it was.
        match (after.remove(*target), is_there) {
            (None, _) | (Some(_), true) => {}
            (Some(_), false) => drop(after.insert((*target).to_owned(), json!("a file"))),
        }
    }
    // A volume without a name that Compose passed on from the container before.
    before
        .retain(|target, mount| after.contains_key(target) || mount["Type"] != "volume" || !mount["Source"].is_null());
    let targets: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = targets.into_iter().filter(|target| before.get(*target) != after.get(*target));
    let show = |mount: Option<&Value>, target: &str| mount.map(|mount| shown(mount, target));
    differing
        .map(|target| Difference {
            field: "volumes".to_owned(),
            before: show(before.get(target), target),
            after: show(after.get(target), target),
        })
        .collect()
}

/// By their targets.
fn mounts(host: &Value) -> BTreeMap<String, Value> {
    let binds = host["Binds"].as_array().into_iter().flatten().filter_map(|bind| of_bind(bind.as_str()?));
    let mounts = host["Mounts"].as_array().into_iter().flatten().filter_map(of_mount);
    binds.chain(mounts).collect()
}

fn of_bind(text: &str) -> Option<(String, Value)> {
    let (source, rest) = text.split_once(':')?;
    let (target, options) = rest.split_once(':').unwrap_or((rest, ""));
    let kind = if source.starts_with('/') { "bind" } else { "volume" };
    let mut mount = json!({ "Type": kind, "Source": clean(source) });
    for option in options.split(',') {
        match option {
            "ro" => mount["ReadOnly"] = json!(true),
            "z" | "Z" => mount["Selinux"] = json!(option),
            "nocopy" => mount["VolumeOptions"] = json!({ "NoCopy": true }),
            "shared" | "rshared" | "slave" | "rslave" | "private" => mount["Propagation"] = json!(option),
            _ => {}
        }
    }
    Some((clean(target), without_name(mount)))
}

fn of_mount(mount: &Value) -> Option<(String, Value)> {
    let target = clean(mount["Target"].as_str()?);
    let source = mount["Source"].as_str().map(clean);
    let propagation = mount["BindOptions"]["Propagation"].as_str().filter(|word| *word != "rprivate");
    let mut same = json!({
        "Type": mount["Type"],
        "Source": source,
        "ReadOnly": mount["ReadOnly"],
        "Propagation": propagation,
        "VolumeOptions": mount["VolumeOptions"],
        "TmpfsOptions": mount["TmpfsOptions"],
        "NonRecursive": mount["BindOptions"]["NonRecursive"],
    });
    same["VolumeOptions"].as_object_mut().into_iter().for_each(|options| drop(options.remove("Labels")));
    Some((target, without_name(same)))
}

/// A volume that nobody named has a digest for a name.
fn without_name(mut mount: Value) -> Value {
    let source = mount["Source"].as_str().unwrap_or_default();
    if mount["Type"] == "volume" && source.len() == 64 && source.bytes().all(|c| c.is_ascii_hexdigit()) {
        mount["Source"] = Value::Null;
    }
    normal(&mount)
}

fn clean(path: &str) -> String {
    let clean = path.trim_end_matches('/');
    if clean.is_empty() { "/".to_owned() } else { clean.to_owned() }
}

fn shown(mount: &Value, target: &str) -> String {
    let Some(kind) = mount["Type"].as_str() else { return format!("a file at {target}") };
    let source = mount["Source"].as_str().map_or_else(|| kind.to_owned(), str::to_owned);
    let more = if mount["ReadOnly"] == true { ":ro" } else { "" };
    format!("{source}:{target}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_the_same_however_they_are_said() {
        let name = "0123456789abcdef".repeat(4);
        let mount =
            |kind: &str, source: &str| json!({ "Mounts": [{ "Type": kind, "Source": source, "Target": "/t" }] });
        let table = [
            ("both forms", json!({ "Binds": ["/s:/t:rw"] }), mount("bind", "/s/"), ""),
            ("a volume in the old form", json!({ "Binds": ["data:/t"] }), mount("volume", "data"), ""),
            ("no name", mount("volume", &name), json!({ "Mounts": [{ "Type": "volume", "Target": "/t" }] }), ""),
            ("passed on from before", mount("volume", &name), json!({}), ""),
            ("not there", json!({}), json!({ "Mounts": [{ "Type": "volume", "Target": "/t" }] }), "- -> volume:/t"),
            ("read-only", json!({ "Binds": ["/s:/t:ro"] }), mount("bind", "/s"), "/s:/t:ro -> /s:/t"),
            ("another source", mount("bind", "/a"), mount("bind", "/b"), "/a:/t -> /b:/t"),
            ("one too many", mount("volume", "data"), json!({}), "data:/t -> -"),
            ("a file", mount("bind", "/s"), mount("bind", "/ours"), "/s:/t -> /ours:/t"),
        ];
        for (case, found, wanted, expected) in table {
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let line = |found: Difference| format!("{} -> {}", or_none(found.before), or_none(found.after));
            let lines: Vec<String> = compare(&found, &wanted, &BTreeSet::new()).into_iter().map(line).collect();
            assert_eq!(lines.join("; "), expected, "{case}");
        }
        let files = BTreeSet::from(["/t"]);
        assert_eq!(compare(&mount("bind", "/s"), &mount("bind", "/ours"), &files), vec![]);
        assert_eq!(compare(&json!({}), &mount("bind", "/ours"), &files)[0].after.as_deref(), Some("a file at /t"));
    }
}
