//! A runtime that says what it is told to, and an instance at 127.0.0.1.

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream, stream::BoxStream};

use super::probe;
use crate::{
    diagnostic::Class,
    name::{DeploymentId, ProjectName},
    observed::{Fault, Health, Identity, Instance, InstanceState, Observed, Reach, Wanted},
    plan::{Check, Limits, RestartPolicy, RuntimeKind},
    runtime::{ExecOutput, LogLine, LogQuery, Observe, RuntimeEvent, Stream},
    secret::Salt,
};

#[derive(Default)]
pub(super) struct Stub {
    pub now: Option<Instance>,
    pub lines: Vec<String>,
}

pub(super) fn instance() -> Instance {
    Instance {
        shares: Default::default(),
        memory_reservation: None,
        files: Default::default(),
        runtime: RuntimeKind::Docker,
        id: "c0ffee".into(),
        name: "shop-web-1".into(),
        identity: Identity {
            project: "shop".parse().unwrap(),
            service: "web".parse().unwrap(),
            number: 1,
            environment: None,
            deployment: DeploymentId::from_random(1),
        },
        spec: None,
        adopted: None,
        salt: Salt(String::new()),
        state: InstanceState::Running,
        health: Health::None,
        health_output: None,
        started_at: None,
        log_since: None,
        restart_count: 0,
        image_id: "sha256:0".into(),
        limits: Limits::default(),
        restart_policy: RestartPolicy::No,
        networks: BTreeMap::new(),
        ports: [].into(),
        reach: Reach::Address([127, 0, 0, 1].into()),
    }
}

/// A check as a plan has it, in JSON.
pub(super) fn check(json: &str) -> Check {
    serde_json::from_str(json).unwrap()
}

/// Asks a check, written in JSON, of the instance: `passed: …` or `failed: …`.
pub(super) async fn ask(json: &str) -> String {
    let answer = probe(&check(json), &instance(), &Stub::default(), Path::new("/")).await;
    format!("{}: {}", if answer.has_passed { "passed" } else { "failed" }, answer.text)
}

#[async_trait]
impl Observe for Stub {
    async fn observe(&self, _: &Wanted) -> Result<Observed, Fault> {
        unimplemented!("probes do not observe")
    }

    async fn inspect(&self, _: RuntimeKind, id: &str) -> Result<Option<Instance>, Fault> {
        Ok(self.now.clone().filter(|now| now.id == id))
    }

    async fn logs(
        &self,
        _: RuntimeKind,
        _: &str,
        _: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Fault>>, Fault> {
        let line = |text| Ok(LogLine { at: None, stream: Stream::Stdout, text });
        Ok(stream::iter(self.lines.clone()).map(line).boxed())
    }

    async fn watch(&self, _: &ProjectName) -> Result<BoxStream<'static, RuntimeEvent>, Fault> {
        unimplemented!("probes do not watch")
    }

    async fn exec(&self, _: RuntimeKind, _: &str, command: &[String], _: Duration) -> Result<ExecOutput, Fault> {
        let output = |exit_code, output: &str| Ok(ExecOutput { exit_code, output: output.into() });
        match command[0].as_str() {
            "true" => output(0, "fine"),
            "false" => output(1, "first\nno\x1b[31m luck\n\n"),
            "quiet" => output(2, ""),
            "missing" => Err(Fault::new(Class::Deployment, "no-command", "`missing` is not in the image")),
            "slow" => Err(Fault::new(Class::Timeout, "timeout", "timed out")),
            other => unimplemented!("{other}"),
        }
    }
}
