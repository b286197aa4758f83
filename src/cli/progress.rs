use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{
    board::{Board, Room},
    terminal,
};
use crate::{
    event::Moment,
    report::{Ink, Level, event_line},
    time::Timestamp,
};

/// How a deployment is shown while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressMode {
    /// A few lines that are drawn over and over, for a terminal.
    Board(Ink),
    /// A plain line for each thing that happens.
    Lines(Level),
    /// Nothing, where the result alone is wanted.
    Silent,
}

/// Shows events as they come, on stderr.
pub struct Progress {
    shown: Shown,
}

enum Shown {
    Board(BoardView),
    Lines { level: Level, talk: Box<dyn Write + Send> },
    Silent,
}

impl Progress {
    /// For a deployment of so many services.
    pub fn new(mode: ProgressMode, services: usize) -> Self {
        let shown = match mode {
            ProgressMode::Board(ink) => Shown::Board(BoardView::new(services, ink)),
            ProgressMode::Lines(level) => Shown::Lines { level, talk: Box::new(io::stderr()) },
            ProgressMode::Silent => Shown::Silent,
        };
        Self { shown }
    }

    pub fn handle(&mut self, moment: &Moment) {
        match &mut self.shown {
            Shown::Board(view) => view.handle(moment),
            Shown::Lines { level, talk } => {
                if let Some(line) = event_line(&moment.event, *level) {
                    // Nobody listens any more: the deployment goes on all the same.
                    let _ = writeln!(talk, "{line}");
                }
            }
            Shown::Silent => {}
        }
    }

    /// Clears what was drawn, so that the result has the screen.
    pub fn finish(self) {
        match self.shown {
            Shown::Board(view) => view.bar.finish_and_clear(),
            Shown::Lines { .. } | Shown::Silent => {}
        }
    }
}

/// The board on a terminal: one bar of indicatif's, whose whole text is the board's lines.
struct BoardView {
    bar: ProgressBar,
    /// Shared with the bar, which is drawn by a ticking thread of indicatif's so that durations go
    /// on while nothing happens. Held for microseconds, and never while the bar is called.
    watched: Arc<Mutex<Watched>>,
}

struct Watched {
    board: Board,
    /// The last event's time, and when it came: deployments may run in virtual time.
    last: Option<(Timestamp, Instant)>,
}

/// Often enough for a tenth of a second to be seen changing.
const REDRAW_EVERY: Duration = Duration::from_millis(100);

impl BoardView {
    fn new(services: usize, ink: Ink) -> Self {
        let watched = Arc::new(Mutex::new(Watched { board: Board::new(services), last: None }));
        let drawn = watched.clone();
        let draw = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let room = terminal::size().map_or(Room { rows: 24, columns: 80 }, |(rows, columns)| Room {
                rows: rows.into(),
                columns: columns.into(),
            });
            // The bar's text lives in memory: writing it does not fail.
            let _ = out.write_str(&lock(&drawn).lines(room, ink).join("\n"));
        };
        let style = ProgressStyle::with_template("{board}").expect("the template is valid").with_key("board", draw);
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
        bar.enable_steady_tick(REDRAW_EVERY);
        Self { bar, watched }
    }

    fn handle(&self, moment: &Moment) {
        {
            let mut watched = lock(&self.watched);
            watched.board.handle(moment);
            watched.last = Some((moment.at, Instant::now()));
        }
        // What went wrong stays on the screen, above the board.
        if let Some(line) = event_line(&moment.event, Level::Quiet) {
            self.bar.println(line);
        }
    }
}

impl Watched {
    fn lines(&self, room: Room, ink: Ink) -> Vec<String> {
        let now = self.last.map_or(Timestamp::EPOCH, |(at, came)| at + came.elapsed());
        self.board.lines(now, room, ink)
    }
}

fn lock(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    // A panic half-way leaves a board that is a little off, and still better than none.
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Phase,
        diagnostic::Class,
        event::{Event, PhaseStatus, Stage},
        journal::Outcome,
        observed::Fault,
    };

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn deployment() -> Vec<Moment> {
        let service = || "web".parse().unwrap();
        let error = || Fault::new(Class::HealthCheck, "not-ready", "`web` was not ready within 30s");
        let deployment = "abcd1234".parse().unwrap();
        let instance = || "shop-web-1".to_owned();
        let events = [
            Event::DeploymentStarted { deployment, plan: "shop".parse().unwrap(), environment: None, services: 1 },
            Event::PhaseStarted { phase: Phase::ServiceDeployment },
            Event::ServiceStage { service: service(), stage: Stage::Creating },
            Event::ServiceStage { service: service(), stage: Stage::Starting },
            Event::ServiceStarting { service: service(), instance: instance() },
            Event::ServiceFailed { service: service(), instance: Some(instance()), error: error() },
            Event::PhaseCompleted { phase: Phase::ServiceDeployment, status: PhaseStatus::Failed, duration_ms: 30_000 },
            Event::RollbackStarted { actions: 2 },
            Event::RollbackCompleted { failed: 0 },
            Event::DeploymentFailed { deployment, outcome: Outcome::RolledBack, duration_ms: 31_000, error: error() },
        ];
        events.into_iter().map(|event| Moment { at: Timestamp::EPOCH, event }).collect()
    }

    fn shown(level: Level) -> String {
        let page = Page::default();
        let mut progress = Progress { shown: Shown::Lines { level, talk: Box::new(page.clone()) } };
        deployment().iter().for_each(|moment| progress.handle(moment));
        progress.finish();
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn elsewhere_than_on_a_terminal_each_change_is_a_line() {
        insta::assert_snapshot!(shown(Level::Normal), @r"
        deployment `abcd1234` of `shop`: 1 service
        web: starting
        web: failed: `web` was not ready within 30s
        phase service_deployment failed after 30.0s
        rolling back 2 actions
        rolled back
        deployment `abcd1234` failed and rolled back after 31.0s: `web` was not ready within 30s
        ");
        insta::assert_snapshot!(shown(Level::Quiet), @r"
        web: failed: `web` was not ready within 30s
        rolling back 2 actions
        deployment `abcd1234` failed and rolled back after 31.0s: `web` was not ready within 30s
        ");
    }

    #[test]
    fn the_board_follows_the_events() {
        let mut progress = Progress::new(ProgressMode::Board(Ink::Plain), 1);
        deployment()[..5].iter().for_each(|moment| progress.handle(moment));
        let Shown::Board(view) = &progress.shown else { panic!("it is a board") };
        let lines = lock(&view.watched).board.lines(Timestamp::EPOCH, Room { rows: 24, columns: 80 }, Ink::Plain);
        assert_eq!(lines, ["service_deployment  0/1 ready  0ms", "  web  starting 0ms"]);
        progress.finish();
    }
}
