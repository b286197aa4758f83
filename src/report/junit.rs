use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::{CommandReport, DeploymentReport};
use crate::action::CommandKind;

/// The tests of deployments as a JUnit document, as CI systems read it: a suite a plan, of its name.
pub fn junit<'a>(reports: impl IntoIterator<Item = &'a DeploymentReport>) -> String {
    let mut document = Report::new("orchestrate");
    document.add_test_suites(reports.into_iter().map(suite));
    document.to_string().expect("texts that were cleaned are XML")
}

fn suite(report: &DeploymentReport) -> TestSuite {
    let mut suite = TestSuite::new(report.plan.to_string());
    let tests = report.commands.iter().filter(|command| command.kind == CommandKind::Test);
    for CommandReport { name, duration_ms, error, output, .. } in tests {
        let status = match error {
            None => TestCaseStatus::success(),
            Some(error) => {
                let mut failure = TestCaseStatus::non_success(NonSuccessKind::Failure);
                failure.set_message(error.as_str());
                failure
            }
        };
        let mut case = TestCase::new(name.as_str(), status);
        case.set_time(std::time::Duration::from_millis(*duration_ms));
        if !output.is_empty() {
            case.set_system_out(XmlString::new(output.join("\n")));
        }
        suite.add_test_case(case);
    }
    suite
}
