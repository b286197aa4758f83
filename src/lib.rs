//! A declarative deployment orchestrator: plans in, healthy services out, or everything as before.
//!
//! ```text
//!  text ──load──▶ Plan ──graph──▶ Graph ─┐
//!                                        ├─change::diff──▶ Changes ──action──▶ Actions
//!  world ──Observe──▶ Observed ──────────┘                                       │
//!                                                                              Engine
//!    Engine says:  Record  Perform  Probe  Inspect  Preserve  Emit  Done
//!    Engine hears: Recorded  Performed  Probed  Inspected  Preserved  Happened  Woken  Cancelled
//!                                                                                │
//!                                     Journal (durable) ──▶ Events ──▶ Report (terminal, JSON)
//! ```
//!
//! One way, no back and forth: [`ops::apply`] reads as this picture. The modules from [`name`] to
//! [`report`] are the core: synchronous and deterministic, without I/O, clock, randomness or
//! logging. The modules from [`runtime`] on are the shell and hold every effect. A module imports
//! only modules before it in this order:
//!
//! core: [`name`], [`time`], [`diagnostic`], [`secret`], [`expression`], [`plan`], [`load`],
//! [`graph`], [`observed`], [`change`], [`action`], [`journal`], [`health`], [`event`], [`engine`],
//! [`report`]; shell: [`runtime`], [`probe`], [`store`], [`driver`], [`ops`], [`cli`].
//!
//! # As a library
//!
//! [`ops::open`] loads a plan, [`ops::preview`] says what would change, [`ops::apply`] makes it so
//! and tells a [`Watcher`](ops::Watcher) every event. A program that uses processes has to begin
//! with [`runtime::process::supervise_if_asked`]: supervisors are this same program.
//!
//! ```no_run
//! use orchestrate::ops::{self, ApplyRequest, Context, PlanRequest, Quiet};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let context = Context::of_process()?;
//! let plan = PlanRequest { plan_file: Some("plan.yaml".into()), ..PlanRequest::default() };
//! let request = ApplyRequest { plan, ..ApplyRequest::default() };
//! let report = ops::apply(&context, &request, &mut Quiet).await?;
//! println!("{}", report.outcome.as_str());
//! # Ok(())
//! # }
//! ```

pub mod action;
pub mod change;
pub mod cli;
pub mod diagnostic;
pub mod driver;
pub mod engine;
pub mod event;
pub mod expression;
pub mod graph;
pub mod health;
pub mod journal;
pub mod load;
pub mod name;
pub mod observed;
pub mod ops;
pub mod plan;
pub mod probe;
pub mod report;
pub mod runtime;
pub mod secret;
pub mod store;
pub mod time;
