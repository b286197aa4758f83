use super::*;

#[test]
fn smoke() {
    let case = Case::plan(
        "services:\n  web: { image: a, checks: [{ tcp: { port: 80 } }] }\n  b: { image: b, depends_on: { web: { condition: service_healthy } } }\n",
    );
    println!("{}", serde_json::to_string_pretty(&case.loaded().plan).unwrap());
}
