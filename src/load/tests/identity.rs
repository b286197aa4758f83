use super::*;

/// A plan with its environments, the environment that is chosen, and whose it is.
type Row = (&'static str, Option<&'static str>, Option<&'static str>);

#[test]
fn a_plan_is_known_by_the_names_that_can_be_read() {
    let rows: [Row; 17] = [
        ("name: shop\nservices: {}\n", None, Some("shop")),
        ("name: shop\nproject: market\n", None, Some("market")),
        ("name: shop\nproject: market\n", Some("lab"), Some("market")),
        ("name: \"{{ vars.x }}\"\n", None, None),
        ("name: Shop\n", None, None),
        ("name: shop\nname: blog\n", None, None),
        ("services: {}\n", None, None),
        ("- name: shop\n", None, None),
        // What cannot be parsed is read by its lines.
        ("name: 'shop' # ours\nservices: ]\n", None, Some("shop")),
        ("name: shop\nservices: ]\nx: |\n  name: blog\n", None, Some("shop")),
        ("name: shop\nservices: ]\nname: blog\n", None, None),
        ("services: ]\n", None, None),
        ("name: shop\n=== environments/lab.yaml\nvars: {}\n", Some("lab"), Some("shop-lab")),
        ("name: shop\n=== environments/lab.yaml\nname: laboratory\n", Some("lab"), Some("shop-laboratory")),
        ("name: shop\n=== environments/lab.yaml\nname: laboratory\nvars: ]\n", Some("lab"), Some("shop-laboratory")),
        ("name: shop\n=== environments/lab.yaml\n=== x\n", Some("lab"), Some("shop-lab")),
        // One that is not there may be a slip of the finger.
        ("name: shop\n=== environments/lab.yaml\nvars: {}\n", Some("labor"), None),
    ];
    for (text, environment, expected) in rows {
        let case = Case::new(text);
        let case = match environment {
            Some(name) => case.environment(name),
            None => case,
        };
        let found = identify(Arc::new(case.files.clone()), &case.inputs);
        assert_eq!(found.as_ref().map(|project| project.as_str()), expected, "{text:?} in {environment:?}");
    }
}
