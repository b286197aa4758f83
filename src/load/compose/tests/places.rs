//! Where values come from.

use std::sync::Arc;

use crate::{
    diagnostic::Origins as _,
    load::{identify, tests::Case},
};

#[test]
fn a_value_tells_what_variable_carried_it() {
    let text = "services:\n  web:\n    image: web:${TAG}\n    ports: [\"${PORT}:80\"]\n    environment: [HERE]\n    user: a\n\
                === .env\nTAG=1\n\nPORT=8080\nHERE=x\n";
    let loaded = Case::of("compose.yaml", text).env("TAG", "2").loaded();
    let table: [(&[&str], &str); 5] = [
        (&["services", "web", "image"], "compose.yaml:3 TAG from the process environment"),
        (&["services", "web", "ports", "0"], "compose.yaml:4 PORT from .env:3"),
        (&["services", "web", "environment", "HERE"], "compose.yaml:5 HERE from .env:4"),
        (&["services", "web", "user"], "compose.yaml:6 "),
        (&["services", "web"], "compose.yaml:3 "),
    ];
    for (path, expected) in table {
        let origin = loaded.document.origin(path).unwrap();
        assert_eq!(format!("{} {}", origin.position, origin.from.unwrap_or_default()), expected);
    }
}

#[test]
fn a_file_that_cannot_be_loaded_is_known_by_its_name_or_its_directory() {
    let table = [
        ("services: ]\n", None, Some("repo")),
        ("name: My Shop\nservices: ]\n", None, Some("myshop")),
        ("name: shop-${STAGE}\nservices: ]\n", None, None),
        ("name: shop\nservices: ]\n", Some("other"), Some("other")),
    ];
    for (text, given, expected) in table {
        let mut case = Case::of("compose.yaml", text);
        case.inputs.compose.project_name = given.map(str::to_owned);
        let found = identify(Arc::new(case.files.clone()), &case.inputs);
        assert_eq!(found.as_ref().map(|project| project.as_str()), expected, "{text:?}");
    }
}

#[test]
fn a_value_that_another_file_brought_is_told_from_there() {
    let text = "services: { web: { extends: { file: lib/base.yaml, service: app } } }\n\
                === over.yaml\nservices: { web: { user: me } }\n=== lib/base.yaml\nservices:\n  app:\n    image: b\n";
    let mut case = Case::of("compose.yaml", text);
    case.inputs.compose.more_files.push("/repo/over.yaml".into());
    let loaded = case.loaded();
    let at = |key: &str| loaded.document.origin(&["services", "web", key]).unwrap().position.to_string();
    assert_eq!((at("image"), at("user")), ("lib/base.yaml:3".to_owned(), "over.yaml:1".to_owned()));
}
