use std::collections::{BTreeMap, BTreeSet};

use crate::{
    action::Phase,
    event::{Event, Moment, Stage},
    name::ServiceName,
    report::{Ink, Tone, bytes_text, digits, duration_text},
    time::Timestamp,
};

/// What a person watching a terminal sees of a deployment under way: the phase and the count on
/// top, then a line for each service that something is done for, and each image being pulled.
///
/// It knows no terminal and no clock: what to show is a function of the events so far, the time,
/// and the room there is.
#[derive(Debug)]
pub struct Board {
    services: usize,
    started_at: Option<Timestamp>,
    phase: Option<Phase>,
    is_rolling_back: bool,
    under_way: BTreeMap<ServiceName, Work>,
    ready: BTreeSet<ServiceName>,
    /// Bytes so far, and of how many, by image.
    pulls: BTreeMap<String, (u64, u64)>,
    /// The steps that builds have come to.
    builds: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Work {
    stage: Stage,
    since: Timestamp,
    /// What its last failed check saw.
    trouble: Option<String>,
}

/// The room there is.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub rows: usize,
    pub columns: usize,
}

/// Rows of the terminal that the board leaves alone, so that what was above it stays in sight.
const ROWS_LEFT_ALONE: usize = 4;

impl Board {
    pub fn new(services: usize) -> Self {
        Self {
            services,
            started_at: None,
            phase: None,
            is_rolling_back: false,
            under_way: BTreeMap::new(),
            ready: BTreeSet::new(),
            pulls: BTreeMap::new(),
            builds: BTreeMap::new(),
        }
    }

    pub fn handle(&mut self, Moment { at, event }: &Moment) {
        self.started_at.get_or_insert(*at);
        match event {
            Event::DeploymentStarted { services, .. } | Event::DeploymentResumed { services, .. } => {
                self.services = *services;
            }
            Event::PhaseStarted { phase } => self.phase = Some(*phase),
            Event::ServiceStage { service, stage } => self.move_service(service, *stage, *at),
            Event::ServiceStarting { service, .. } => self.move_service(service, Stage::Starting, *at),
            Event::ServiceReady { service, .. } => self.move_service(service, Stage::Ready, *at),
            Event::ServiceFailed { service, .. } => self.move_service(service, Stage::Failed, *at),
            Event::ServiceRestored { service } => self.drop_service(service),
            Event::CheckFailed { service, text, .. } => self.note(service, Some(text.clone())),
            Event::CheckPassed { service, .. } => self.note(service, None),
            Event::PullProgress { image, current, total } if current < total => {
                self.pulls.insert(image.clone(), (*current, *total));
            }
            Event::PullProgress { image, .. } => {
                self.pulls.remove(image);
            }
            Event::BuildProgress { image, step, steps, text } => {
                self.builds.insert(image.clone(), format!("step {step} of {steps}: {text}"));
            }
            Event::RollbackStarted { .. } => {
                self.is_rolling_back = true;
                self.under_way.clear();
                self.pulls.clear();
                self.builds.clear();
            }
            Event::DeploymentCompleted { .. } | Event::DeploymentFailed { .. } => self.under_way.clear(),
            Event::PhaseCompleted { phase: Phase::EnvironmentSetup, .. } => self.builds.clear(),
            Event::PhaseCompleted { .. }
            | Event::Retrying { .. }
            | Event::CommandStarted { .. }
            | Event::CommandCompleted { .. }
            | Event::CommandFailed { .. }
            | Event::Warning { .. }
            | Event::RollbackCompleted { .. } => {}
        }
    }

    /// The lines to show: never more than leave the terminal a few of its own.
    pub fn lines(&self, now: Timestamp, room: Room, ink: Ink) -> Vec<String> {
        let most = room.rows.saturating_sub(ROWS_LEFT_ALONE).max(2);
        let mut lines = vec![self.head(now, room.columns, ink)];
        let body: Vec<(String, Tone)> = self.work_lines(now).chain(self.pull_lines()).collect();
        let shown = if body.len() < most { body.len() } else { most - 2 };
        lines.extend(body[..shown].iter().map(|(line, tone)| ink.paint(*tone, &cut(line, room.columns))));
        if shown < body.len() {
            let more = format!("  and {} more", digits(body.len() - shown));
            lines.push(ink.paint(Tone::Faint, &cut(&more, room.columns)));
        }
        lines
    }

    fn head(&self, now: Timestamp, columns: usize, ink: Ink) -> String {
        let took = self.started_at.map(|at| duration_text(now.since(at))).unwrap_or_default();
        let phase = match (self.is_rolling_back, self.phase) {
            (true, _) => "rolling back",
            (false, Some(phase)) => phase.as_str(),
            (false, None) => "starting",
        };
        let (ready, services) = (digits(self.ready.len()), digits(self.services));
        let text = match self.services {
            0 => format!("{phase}  {took}"),
            _ => format!("{phase}  {ready}/{services} ready  {took}"),
        };
        ink.paint(Tone::Strong, &cut(&text, columns))
    }

    /// What was begun first comes first, so that lines keep their order.
    fn work_lines(&self, now: Timestamp) -> impl Iterator<Item = (String, Tone)> {
        let mut works: Vec<(&ServiceName, &Work, &'static str, Tone)> = self
            .under_way
            .iter()
            .filter_map(|(service, work)| doing(work.stage).map(|(doing, tone)| (service, work, doing, tone)))
            .collect();
        works.sort_by_key(|(service, work, ..)| (work.since, *service));
        works.into_iter().map(move |(service, work, doing, tone)| {
            let trouble = work.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
            (format!("  {service}  {doing} {}{trouble}", duration_text(now.since(work.since))), tone)
        })
    }

    fn pull_lines(&self) -> impl Iterator<Item = (String, Tone)> {
        let pulls = self.pulls.iter().map(|(image, (current, total))| {
            (format!("  {image}  {} of {}", bytes_text(*current), bytes_text(*total)), Tone::Faint)
        });
        let builds = self.builds.iter().map(|(image, step)| (format!("  {image}  {step}"), Tone::Faint));
        pulls.chain(builds)
    }

    fn move_service(&mut self, service: &ServiceName, stage: Stage, at: Timestamp) {
        match stage {
            Stage::Ready => {
                self.drop_service(service);
                self.ready.insert(service.clone());
            }
            Stage::Failed => self.drop_service(service),
            Stage::Pulling
            | Stage::Building
            | Stage::Creating
            | Stage::Waiting
            | Stage::Stopping
            | Stage::Starting
            | Stage::Checking
            | Stage::Removing
            | Stage::Saving
            | Stage::Restoring => {
                self.ready.remove(service);
                if self.under_way.get(service).is_none_or(|work| work.stage != stage) {
                    self.under_way.insert(service.clone(), Work { stage, since: at, trouble: None });
                }
            }
        }
    }

    fn drop_service(&mut self, service: &ServiceName) {
        self.under_way.remove(service);
        self.ready.remove(service);
    }

    fn note(&mut self, service: &ServiceName, trouble: Option<String>) {
        if let Some(work) = self.under_way.get_mut(service) {
            work.trouble = trouble;
        }
    }
}

/// What is done at a stage; nothing while a service only waits.
fn doing(stage: Stage) -> Option<(&'static str, Tone)> {
    match stage {
        Stage::Pulling => Some(("pulling its image", Tone::Plain)),
        Stage::Building => Some(("building its image", Tone::Plain)),
        Stage::Creating => Some(("creating", Tone::Plain)),
        Stage::Stopping => Some(("stopping", Tone::Plain)),
        Stage::Starting => Some(("starting", Tone::Plain)),
        Stage::Checking => Some(("checking", Tone::Plain)),
        Stage::Removing => Some(("removing", Tone::Plain)),
        Stage::Saving => Some(("saving its data", Tone::Plain)),
        Stage::Restoring => Some(("restoring", Tone::Notable)),
        Stage::Waiting | Stage::Ready | Stage::Failed => None,
    }
}

/// The line, short enough not to wrap: a wrapped line could not be drawn over again.
fn cut(line: &str, columns: usize) -> String {
    let room = columns.saturating_sub(1).max(1);
    match line.chars().count() <= room {
        true => line.to_owned(),
        false => line.chars().take(room - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Class, observed::Fault};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn name(text: &str) -> ServiceName {
        text.parse().unwrap()
    }

    fn stage(seconds: i64, service: &str, stage: Stage) -> Moment {
        Moment { at: at(seconds), event: Event::ServiceStage { service: name(service), stage } }
    }

    fn moment(seconds: i64, event: Event) -> Moment {
        Moment { at: at(seconds), event }
    }

    fn show(board: &Board, seconds: i64, rows: usize, columns: usize) -> String {
        board.lines(at(seconds), Room { rows, columns }, Ink::Plain).join("\n")
    }

    #[test]
    fn it_shows_what_is_under_way_and_for_how_long() {
        let mut board = Board::new(4);
        let check_failed = Event::CheckFailed {
            service: name("web"),
            instance: "shop-web-1".to_owned(),
            check: "http :80/".to_owned(),
            text: "connection refused".to_owned(),
        };
        let moments = [
            moment(0, Event::PhaseStarted { phase: Phase::ServiceDeployment }),
            stage(0, "queue", Stage::Waiting),
            stage(0, "db", Stage::Checking),
            moment(1, Event::ServiceReady { service: name("db"), ready_ms: 1000 }),
            stage(1, "web", Stage::Checking),
            moment(2, check_failed),
            stage(3, "api", Stage::Pulling),
            stage(4, "web", Stage::Checking),
            moment(4, Event::PullProgress { image: "api:2".to_owned(), current: 12_300_000, total: 43_000_000 }),
        ];
        moments.iter().for_each(|moment| board.handle(moment));
        assert_eq!(
            show(&board, 5, 24, 80),
            "\
service_deployment  1/4 ready  5.0s
  web  checking 4.0s: connection refused
  api  pulling its image 2.0s
  api:2  12.3 MB of 43.0 MB"
        );
        assert_eq!(
            show(&board, 5, 24, 20),
            "\
service_deployment…
  web  checking 4.…
  api  pulling its…
  api:2  12.3 MB o…"
        );
    }

    #[test]
    fn it_never_floods_the_terminal() {
        let mut board = Board::new(10_000);
        (0..10_000).for_each(|number| board.handle(&stage(0, &format!("s{number:05}"), Stage::Checking)));
        for rows in [0, 1, 5, 6, 7, 10, 24] {
            let shown = board.lines(at(1), Room { rows, columns: 80 }, Ink::Plain);
            assert!(shown.len() <= rows.saturating_sub(4).max(2), "{rows}: {shown:?}");
        }
        assert_eq!(
            show(&board, 1, 8, 80),
            "\
service_deployment  0/10,000 ready  1.0s
  s00000  checking 1.0s
  s00001  checking 1.0s
  and 9,998 more"
                .replace("service_deployment", "starting")
        );
    }

    #[test]
    fn a_rollback_shows_what_is_put_back() {
        let mut board = Board::new(2);
        let error = Fault::new(Class::HealthCheck, "not-ready", "not ready");
        let moments = [
            moment(0, Event::ServiceReady { service: name("api"), ready_ms: 10 }),
            stage(0, "web", Stage::Checking),
            moment(1, Event::ServiceFailed { service: name("web"), instance: None, error }),
            moment(1, Event::RollbackStarted { actions: 4 }),
            stage(1, "api", Stage::Restoring),
        ];
        moments.iter().for_each(|moment| board.handle(moment));
        assert_eq!(show(&board, 3, 24, 80), "rolling back  0/2 ready  3.0s\n  api  restoring 2.0s");
        board.handle(&moment(3, Event::ServiceRestored { service: name("api") }));
        assert_eq!(show(&board, 3, 24, 80), "rolling back  0/2 ready  3.0s");
    }
}
