use super::*;

#[test]
fn smoke() {
    println!(
        "{}",
        Case::plan(
            "services:\n  web: { imag: a, ports: [a, 80], labels: [a] , depends_on: [x], restart: sometimes}\n  b: 1\n"
        )
        .problems()
    );
}
