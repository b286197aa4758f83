use std::{path::Path, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::{
    health::Answer,
    name::ServiceName,
    observed::Instance,
    plan::{Check, Interval, Plan},
    probe::probe,
    runtime::Observe,
    secret::Scrubber,
};

/// A check of one running instance, asked once.
pub(super) struct Asked<'a> {
    pub service_name: &'a ServiceName,
    pub instance: &'a Instance,
    pub check: Check,
    /// What was seen, scrubbed.
    pub answer: Answer,
    pub took: Duration,
}

/// What asking needs.
pub(super) struct Asking<'a> {
    pub runtime: &'a dyn Observe,
    pub plan: &'a Plan,
    /// Where relative paths of checks start.
    pub directory: &'a Path,
    pub scrubber: &'a Scrubber,
    /// How long an answer is waited for, whatever the check says.
    pub patience: Duration,
}

/// Checks asked at once at most: each may hold a connection.
const MOST_CHECKS: usize = 128;

/// How long an answer is waited for where someone only wants to see how things are.
pub(super) const GLANCE: Duration = Duration::from_secs(5);

/// Asks the checks of those instances that run, all at once, and answers in the instances' order.
/// What a check is asked with is in the plan, so instances of other services are passed over.
pub(super) async fn ask_checks<'a>(
    asking: &Asking<'a>,
    instances: impl Iterator<Item = &'a Instance>,
    is_wanted: impl Fn(&Check) -> bool,
) -> Vec<Asked<'a>> {
    let mut questions = Vec::new();
    for instance in instances.filter(|instance| instance.is_running()) {
        let service_name = &instance.identity.service;
        let Some(service) = asking.plan.services.get(service_name) else { continue };
        let checks = service.gating_checks().into_iter().filter(&is_wanted);
        questions.extend(checks.map(|check| (service_name, instance, check)));
    }
    let asked = stream::iter(questions).map(|(service_name, instance, check)| async move {
        let bounded = Check { timeout: Interval(asking.patience.min(check.timeout.0)), ..check.clone() };
        let begun_at = Instant::now();
        let answer = probe(&bounded, instance, asking.runtime, asking.directory).await;
        let answer = Answer { text: asking.scrubber.line(&answer.text), ..answer };
        Asked { service_name, instance, check, answer, took: begun_at.elapsed() }
    });
    asked.buffered(MOST_CHECKS).collect().await
}
