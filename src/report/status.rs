use serde::Serialize;

use super::{Cell, Ink, Table, Tone, UnfinishedReport, WarningReport, count};
use crate::{
    name::{DeploymentId, ServiceName},
    observed::{Health, Instance, InstanceState, StopNote},
    plan::RuntimeKind,
    time::Timestamp,
};

/// What runs, beside what should: `{services: […], warnings: […], unfinished}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    pub services: Vec<ServiceStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub one_offs: Vec<OneOffStatus>,
    /// What could not be known.
    pub warnings: Vec<WarningReport>,
    /// The project's deployment that has not come to its end.
    pub unfinished: Option<UnfinishedReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    pub name: ServiceName,
    pub runtime: RuntimeKind,
    /// How many instances there should be; 0 for what the plan does not name any more.
    pub desired: u32,
    pub instances: Vec<InstanceStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    pub name: String,
    /// `created`, `running`, `paused`, `restarting`, `exited` or `dead`.
    pub state: &'static str,
    pub exit_code: Option<i64>,
    pub health: HealthWord,
    /// What it runs, as the plan names it.
    pub image: String,
    pub deployment: DeploymentId,
    pub restart_count: u32,
    /// That someone stopped it on purpose; `exited` otherwise means that it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StoppedReport>,
}

/// Who stopped an instance, and when, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StoppedReport {
    pub by: Option<String>,
    pub at: Option<Timestamp>,
}

/// A container of `run`, which is no instance of its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OneOffStatus {
    pub service: ServiceName,
    #[serde(flatten)]
    pub instance: InstanceStatus,
}

/// How an instance is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthWord {
    Healthy,
    Unhealthy,
    Starting,
    /// Nothing tells.
    None,
    /// A job that ran to its end.
    Completed,
}

impl InstanceStatus {
    /// An instance's status; `health` is what its checks and the engine say together.
    pub fn new(instance: &Instance, image: impl Into<String>, health: HealthWord) -> Self {
        let (state, exit_code) = match instance.state {
            InstanceState::Created => ("created", None),
            InstanceState::Running => ("running", None),
            InstanceState::Paused => ("paused", None),
            InstanceState::Restarting => ("restarting", None),
            InstanceState::Exited { code, .. } => ("exited", Some(code)),
            InstanceState::Dead => ("dead", None),
        };
        Self {
            name: instance.name.clone(),
            state,
            exit_code,
            health,
            image: image.into(),
            deployment: instance.identity.deployment,
            restart_count: instance.restart_count,
            stopped: instance.is_stopped_on_purpose().then(StoppedReport::default),
        }
    }

    /// The same, with what is known of who stopped it.
    pub fn stopped_by(self, note: Option<&StopNote>) -> Self {
        let known = |note: &StopNote| StoppedReport { by: Some(note.by.clone()), at: Some(note.at) };
        let stopped = self.stopped.map(|unknown| note.map_or(unknown, known));
        Self { stopped, ..self }
    }
}

impl HealthWord {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::None => "none",
            Self::Completed => "completed",
        }
    }
}

impl From<Health> for HealthWord {
    fn from(health: Health) -> Self {
        match health {
            Health::None => Self::None,
            Health::Starting => Self::Starting,
            Health::Healthy => Self::Healthy,
            Health::Unhealthy => Self::Unhealthy,
        }
    }
}

/// A line an instance, and one for each service that has fewer than it should.
pub fn status_table(report: &StatusReport, ink: Ink) -> String {
    if report.services.is_empty() && report.one_offs.is_empty() {
        return "nothing runs, and nothing should\n".to_owned();
    }
    let mut table = Table::new(["SERVICE", "INSTANCE", "STATE", "HEALTH", "IMAGE", "DEPLOYMENT"]);
    for service in &report.services {
        for instance in &service.instances {
            let mut row = instance_row(&service.name, instance);
            if service.desired == 0 {
                row[2] = Cell::new(format!("{}, not in the plan", state_text(instance)), Tone::Notable);
            }
            table.row(row);
        }
        let missing = (service.desired as usize).saturating_sub(service.instances.len());
        if missing > 0 {
            let text = format!("{} missing", count(missing, "instance"));
            let name = service.name.as_str();
            table.row([
                name.into(),
                Cell::none(),
                Cell::new(text, Tone::Bad),
                Cell::none(),
                Cell::none(),
                Cell::none(),
            ]);
        }
    }
    for OneOffStatus { service, instance } in &report.one_offs {
        let mut row = instance_row(service, instance);
        row[2] = Cell::new(format!("{}, one-off", state_text(instance)), Tone::Notable);
        table.row(row);
    }
    table.render(ink)
}

fn state_text(instance: &InstanceStatus) -> String {
    if let Some(StoppedReport { by, .. }) = &instance.stopped {
        return by.as_ref().map_or_else(|| "stopped on purpose".to_owned(), |by| format!("stopped by {by}"));
    }
    match instance.exit_code {
        Some(code) => format!("{} ({code})", instance.state),
        None => instance.state.to_owned(),
    }
}

fn instance_row(service_name: &ServiceName, instance: &InstanceStatus) -> [Cell; 6] {
    let health_tone = match instance.health {
        HealthWord::Healthy | HealthWord::Completed => Tone::Good,
        HealthWord::Unhealthy => Tone::Bad,
        HealthWord::Starting => Tone::Notable,
        HealthWord::None => Tone::Faint,
    };
    let mut state = state_text(instance);
    if instance.restart_count > 0 {
        state.push_str(&format!(", {}", count(instance.restart_count as usize, "restart")));
    }
    let is_well = instance.health == HealthWord::Completed || instance.state == "running";
    [
        service_name.as_str().into(),
        instance.name.as_str().into(),
        Cell::new(state, if is_well { Tone::Plain } else { Tone::Notable }),
        Cell::new(instance.health.as_str(), health_tone),
        instance.image.as_str().into(),
        instance.deployment.as_str().into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::versioned_json;

    fn instance(name: &str, state: &'static str, exit_code: Option<i64>, health: HealthWord) -> InstanceStatus {
        let deployment = "abcd1234".parse().unwrap();
        InstanceStatus {
            name: name.to_owned(),
            state,
            exit_code,
            health,
            image: "web:1".to_owned(),
            deployment,
            restart_count: 0,
            stopped: None,
        }
    }

    fn service(name: &str, desired: u32, instances: Vec<InstanceStatus>) -> ServiceStatus {
        ServiceStatus { name: name.parse().unwrap(), runtime: RuntimeKind::Docker, desired, instances }
    }

    #[test]
    fn a_line_tells_of_each_instance_there_is_or_should_be() {
        let restarted =
            InstanceStatus { restart_count: 2, ..instance("shop-web-1", "running", None, HealthWord::Healthy) };
        let report = StatusReport {
            services: vec![
                service("migrate", 1, vec![instance("shop-migrate-1", "exited", Some(0), HealthWord::Completed)]),
                service("old", 0, vec![instance("shop-old-1", "running", None, HealthWord::None)]),
                service("web", 3, vec![restarted]),
            ],
            one_offs: vec![],
            warnings: vec![],
            unfinished: None,
        };
        insta::assert_snapshot!(status_table(&report, Ink::Plain), @r"
        SERVICE  INSTANCE        STATE                     HEALTH     IMAGE  DEPLOYMENT
        migrate  shop-migrate-1  exited (0)                completed  web:1  abcd1234
        old      shop-old-1      running, not in the plan  none       web:1  abcd1234
        web      shop-web-1      running, 2 restarts       healthy    web:1  abcd1234
        web      -               2 instances missing       -          -      -
        ");
        let report = StatusReport {
            services: report.services[..1].to_vec(),
            one_offs: vec![],
            warnings: vec![],
            unfinished: None,
        };
        insta::assert_snapshot!(versioned_json(&report), @r#"
        {
          "format_version": 1,
          "services": [
            {
              "name": "migrate",
              "runtime": "docker",
              "desired": 1,
              "instances": [
                {
                  "name": "shop-migrate-1",
                  "state": "exited",
                  "exit_code": 0,
                  "health": "completed",
                  "image": "web:1",
                  "deployment": "abcd1234",
                  "restart_count": 0
                }
              ]
            }
          ],
          "warnings": [],
          "unfinished": null
        }
        "#);
    }

    #[test]
    fn nothing_is_said_in_words() {
        let report = StatusReport { services: vec![], one_offs: vec![], warnings: vec![], unfinished: None };
        assert_eq!(status_table(&report, Ink::Plain), "nothing runs, and nothing should\n");
    }
}
