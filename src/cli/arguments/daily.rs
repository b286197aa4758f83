//! What is done by hand to what runs.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, InputArguments, PlanArguments, ProjectArguments};
use crate::{
    name::{ProjectName, ServiceName},
    plan::Protocol,
    time::parse_duration,
};

/// Which project, where the words that follow are services.
#[derive(Debug, Clone, Args)]
pub struct WhichArguments {
    /// The plan; without it plan.yaml, orchestrate.yaml or compose.yaml, here or upwards
    #[arg(short, long, value_name = "PLAN", env = "ORCHESTRATE_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    /// A Compose file, merged over those before it; can be given several times
    #[arg(short = 'f', long = "file", value_name = "FILE", help_heading = "Compose files")]
    pub compose_files: Vec<PathBuf>,
    /// What the project of Compose files is called
    #[arg(long, value_name = "NAME", help_heading = "Compose files")]
    pub project_name: Option<String>,
    #[command(flatten)]
    pub inputs: InputArguments,
    /// A project by its name: no plan is read, the one that was last deployed counts
    #[arg(long, value_name = "NAME")]
    pub project: Option<ProjectName>,
}

impl WhichArguments {
    /// The same, as other commands have it.
    pub fn project(&self) -> ProjectArguments {
        let plan = PlanArguments {
            plan: self.plan.clone(),
            compose_files: self.compose_files.clone(),
            project_name: self.project_name.clone(),
            inputs: self.inputs.clone(),
        };
        ProjectArguments { plan, project: self.project.clone() }
    }
}

/// Stop services, and leave them stopped: status and preview say that it was meant
#[derive(Debug, Clone, Args)]
pub struct StopArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// How long each may take before it is killed, in seconds or as in 1m30s; as its plan says by default
    #[arg(short, long, value_name = "DURATION", value_parser = seconds_or_duration)]
    pub timeout: Option<Duration>,
}

/// Start services that were stopped, and what they depend on, each once its dependencies are ready
#[derive(Debug, Clone, Args)]
pub struct StartArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
}

/// Stop services and start them again, as they are
#[derive(Debug, Clone, Args)]
pub struct RestartArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// How long each may take before it is killed, in seconds or as in 1m30s; as its plan says by default
    #[arg(short, long, value_name = "DURATION", value_parser = seconds_or_duration)]
    pub timeout: Option<Duration>,
    /// Leave services alone that are to be restarted with these
    #[arg(long)]
    pub no_deps: bool,
}

/// A number alone is seconds, as people know it from `docker stop -t`.
fn seconds_or_duration(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(_) => parse_duration(text).map_err(|error| error.to_string()),
    }
}

/// Run a command in a service's container, or beside its process, with a terminal where there is one
#[derive(Debug, Clone, Args)]
#[command(mut_arg("environment", |arg| arg.short(None)))]
pub struct ExecArguments {
    #[command(flatten)]
    pub which: WhichArguments,
    /// Without a terminal, as for scripts
    #[arg(short = 'T', long = "no-tty", alias = "no-TTY")]
    pub no_terminal: bool,
    /// As it is anyway; for who is used to it
    #[arg(short, long, hide = true)]
    pub interactive: bool,
    /// As it is anyway on a terminal; for who is used to it
    #[arg(short, long, hide = true)]
    pub tty: bool,
    /// Start it, and do not wait for it
    #[arg(short, long)]
    pub detach: bool,
    /// The user to run it as
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// The directory to run it in
    #[arg(short, long, value_name = "DIRECTORY")]
    pub workdir: Option<String>,
    /// An environment variable; without a value it is passed on from here
    #[arg(short = 'e', long = "env", value_name = "NAME[=VALUE]")]
    pub variables: Vec<String>,
    /// With extended privileges
    #[arg(long)]
    pub privileged: bool,
    /// Which of the service's instances, by its number
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    #[arg(value_name = "SERVICE")]
    pub service: ServiceName,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// Run a command once in the surroundings of a service: its image, networks, volumes and secrets
#[derive(Debug, Clone, Args)]
#[command(mut_arg("environment", |arg| arg.short(None)), mut_arg("plan", |arg| arg.short(None)))]
pub struct RunArguments {
    #[command(flatten)]
    pub which: WhichArguments,
    /// Tell more of what happens
    #[arg(long, global = false)]
    pub verbose: bool,
    /// Take its container away when it has ended
    #[arg(long)]
    pub rm: bool,
    /// Leave what the service depends on as it is
    #[arg(long)]
    pub no_deps: bool,
    /// Instead of the image's entrypoint: a line that is split as a shell would
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// An environment variable; without a value it is passed on from here
    #[arg(short = 'e', long = "env", value_name = "NAME[=VALUE]")]
    pub variables: Vec<String>,
    /// A volume or directory to mount, as `source:target[:ro]`
    #[arg(short = 'v', long = "volume", value_name = "VOLUME")]
    pub volumes: Vec<String>,
    /// A port to publish, as `[host_ip:][host:]container[/protocol]`
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// Publish the service's own ports too
    #[arg(short = 'P', long)]
    pub service_ports: bool,
    /// Answer to the service's names on its networks
    #[arg(long)]
    pub use_aliases: bool,
    /// The container's name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A label of the container
    #[arg(short = 'l', long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<super::Assignment>,
    /// Start it, print its name, and do not wait for it
    #[arg(short, long)]
    pub detach: bool,
    /// The user to run as
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// The directory to run in
    #[arg(short, long, value_name = "DIRECTORY")]
    pub workdir: Option<String>,
    /// Without a terminal, as for scripts
    #[arg(short = 'T', long = "no-tty", alias = "no-TTY")]
    pub no_terminal: bool,
    /// As it is anyway; for who is used to it
    #[arg(short, long, hide = true)]
    pub interactive: bool,
    /// As it is anyway on a terminal; for who is used to it
    #[arg(short, long, hide = true)]
    pub tty: bool,
    #[arg(value_name = "SERVICE")]
    pub service: ServiceName,
    /// The command and its arguments; the service's own without one
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// Print where a service's port is published on the host
#[derive(Debug, Clone, Args)]
pub struct PortArguments {
    #[command(flatten)]
    pub which: WhichArguments,
    /// Which of the service's instances, by its number
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    #[arg(value_name = "SERVICE")]
    pub service: ServiceName,
    /// The container's port; all without one
    #[arg(value_name = "PORT[/PROTOCOL]", value_parser = port)]
    pub port: Option<(u16, Protocol)>,
}

/// List the processes of services
#[derive(Debug, Clone, Args)]
pub struct TopArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Show what services use of processor, memory, network and disk, again and again
#[derive(Debug, Clone, Args)]
pub struct StatsArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// Look once, over a second, and end
    #[arg(long)]
    pub no_stream: bool,
    /// How the result is written: JSON is a line a look
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// List the images that services run
#[derive(Debug, Clone, Args)]
pub struct ImagesArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// List the projects that were deployed from here
#[derive(Debug, Clone, Args)]
pub struct LsArguments {
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Copy files out of a service's container or into it, as cp does; `-` is a tar archive
#[derive(Debug, Clone, Args)]
pub struct CpArguments {
    #[command(flatten)]
    pub which: WhichArguments,
    /// Which of the service's instances, by its number
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// Copy what symbolic links lead to
    #[arg(short = 'L', long)]
    pub follow_link: bool,
    /// A path of this host, SERVICE:PATH, or - for an archive on standard input
    #[arg(value_name = "SOURCE", allow_hyphen_values = true)]
    pub source: String,
    /// A path of this host, SERVICE:PATH, or - for an archive on standard output
    #[arg(value_name = "DESTINATION", allow_hyphen_values = true)]
    pub destination: String,
}

/// Send services a signal; KILL without one
#[derive(Debug, Clone, Args)]
pub struct KillArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// The signal's name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "SIGKILL")]
    pub signal: String,
}

/// Hold up what services do, without stopping them
#[derive(Debug, Clone, Args)]
pub struct PauseArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
}

/// Let services go on that were paused
#[derive(Debug, Clone, Args)]
pub struct UnpauseArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
}

/// Pull the images of services; what runs stays as it is until the next apply
#[derive(Debug, Clone, Args)]
pub struct PullArguments {
    /// The services; all of them if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// Whether a registry is asked for what is there already
    #[arg(long, value_enum, default_value = "always")]
    pub policy: RefreshWhen,
    /// Go on, and succeed, where an image cannot be pulled
    #[arg(long)]
    pub ignore_pull_failures: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RefreshWhen {
    /// Ask for every image
    Always,
    /// Ask only for images that are not there
    Missing,
}

/// Build the images of services; what runs stays as it is until the next apply
#[derive(Debug, Clone, Args)]
pub struct BuildArguments {
    /// The services; all that are built if none are named
    #[arg(value_name = "SERVICE")]
    pub services: Vec<ServiceName>,
    #[command(flatten)]
    pub which: WhichArguments,
    /// Pull the images that they start from, also if they are there
    #[arg(long)]
    pub pull: bool,
    /// Take nothing out of the engine's cache
    #[arg(long)]
    pub no_cache: bool,
}

/// Pin the plan's images to what registries have now, in orchestrate.lock beside the plan
#[derive(Debug, Clone, Args)]
pub struct LockImagesArguments {
    #[command(flatten)]
    pub plan: PlanArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Have more or fewer instances of services until the next apply, by an ordinary deployment
#[derive(Debug, Clone, Args)]
pub struct ScaleArguments {
    /// The services, each with its count
    #[arg(value_name = "SERVICE=N", required = true, value_parser = service_count)]
    pub counts: Vec<(ServiceName, u32)>,
    /// The plan; without it plan.yaml, orchestrate.yaml or compose.yaml, here or upwards
    #[arg(short, long, value_name = "PLAN", env = "ORCHESTRATE_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: InputArguments,
    /// Leave what they depend on alone
    #[arg(long)]
    pub no_deps: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before instances are removed
    #[arg(short, long)]
    pub yes: bool,
    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value = "text", env = "ORCHESTRATE_FORMAT", hide_env_values = true)]
    pub format: Format,
}

/// Show a secret that is asked for by its name
#[derive(Debug, Clone, Args)]
pub struct SecretArguments {
    #[command(subcommand)]
    pub command: SecretCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum SecretCommand {
    Show(SecretShowArguments),
}

/// Print a secret's value
#[derive(Debug, Clone, Args)]
pub struct SecretShowArguments {
    /// Its name in the plan
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub which: WhichArguments,
    /// The value alone, without an end of line: needed where standard output is no terminal
    #[arg(long)]
    pub raw: bool,
}

fn service_count(text: &str) -> Result<(ServiceName, u32), String> {
    /// Far more than one host runs of anything.
    const MOST: u32 = 1000;
    let (name, count) = text.split_once('=').ok_or("write it as SERVICE=N")?;
    let name = name.parse().map_err(|error: crate::name::NameError| error.to_string())?;
    match count.parse() {
        Ok(count @ 0..=MOST) => Ok((name, count)),
        Ok(_) | Err(_) => Err(format!("`{count}` is not a number from 0 to {MOST}")),
    }
}

fn port(text: &str) -> Result<(u16, Protocol), String> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let protocol = protocols.into_iter().find(|known| known.as_str() == protocol);
    let found = number.parse().ok().filter(|number| *number > 0).zip(protocol);
    found.ok_or_else(|| format!("`{text}` is not a port: write it as 80 or 53/udp"))
}
