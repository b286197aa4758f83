use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
};

use super::{
    account::account,
    environment::{environment, search_path},
    executable::Executables,
    files,
    record::{Launch, LogLimits, Record, RecordParts},
    registry::{Registry, name_taken, random_id},
    signal::parse_signal,
    trouble::reason,
};
use crate::{
    action::InstanceSpec,
    diagnostic::Class,
    name::Digest,
    observed::Fault,
    plan::{ByteSize, Service},
    secret::{Sealer, Text},
};

/// Makes an instance, and answers its id. Made again for the same deployment, it is the same.
pub(super) fn create(
    registry: &Registry,
    executables: &Executables,
    sealer: &Sealer,
    name: &str,
    spec: &InstanceSpec,
) -> Result<String, Fault> {
    let launch = launch(spec)?;
    let word = launch.command.first().map_or("", Text::expose);
    let located = executables.locate(word, search_path(&launch.environment), &launch.working_dir);
    let expected = spec.image_id.as_deref().filter(|id| !id.is_empty()).map(known_digest).transpose()?;
    let program = executables.choose(registry.state_dir(), located, expected)?;
    let record = Record::new(
        RecordParts {
            id: random_id(),
            name: name.to_owned(),
            identity: spec.identity.clone(),
            restart: spec.service.restart_policy(),
            program,
            launch,
            ports: spec.service.ports.clone(),
            document: spec.document.as_ref().clone(),
            salt: spec.salt.clone(),
        },
        sealer,
    );
    // Written before the lock is taken, so that others do not wait for the disk.
    let staged = registry.stage(&record)?;
    let lock = registry.lock_names()?;
    if let Some(holder) = registry.named(name, &lock)? {
        let is_the_same = holder.record.identity == spec.identity;
        return if is_the_same { Ok(holder.record.id) } else { Err(name_taken(name, &holder.record)) };
    }
    registry.publish(&staged, &record, &lock)?;
    Ok(record.id)
}

fn known_digest(text: &str) -> Result<Digest, Fault> {
    let is_digest = text
        .strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f')));
    let fault = || Fault::new(Class::Deployment, "not-a-digest", format!("`{text}` is not the digest of a program"));
    let digest = is_digest.then(|| serde_json::from_value(text.into()).ok()).flatten();
    digest.ok_or_else(fault)
}

pub(super) fn launch(spec: &InstanceSpec) -> Result<Launch, Fault> {
    let service = spec.service.as_ref();
    let account = service.user.as_deref().map(account).transpose()?;
    let working_dir = absolute(service.working_dir.as_deref().unwrap_or("."))?;
    let words = [&service.entrypoint, &service.command].into_iter().flatten().flat_map(|line| line.0.iter().cloned());
    let caller =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let stop_signal = service.stop_signal.as_deref().map_or(Ok(rustix::process::Signal::TERM), parse_signal)?;
    let mut environment = environment(service, &spec.identity, account.as_ref(), caller);
    let directory = spec.files.first().and_then(|file| file.source.rsplit_once('/'));
    environment.extend(directory.map(|(directory, _)| (files::VARIABLE.to_owned(), directory.into())));
    Ok(Launch {
        command: words.collect(),
        environment,
        working_dir,
        user: service.user.clone(),
        stop_signal: stop_signal.as_raw(),
        stop_grace: service.stop_grace(),
        log: log_limits(service)?,
    })
}

/// A directory as it is meant from here.
pub(super) fn absolute(path: &str) -> Result<PathBuf, Fault> {
    let unusable = |why: &str| Fault::new(Class::Configuration, "working-directory-not-usable", why.to_owned());
    let here = std::env::current_dir()
        .map_err(|error| unusable(&format!("the current directory cannot be read: {}", reason(&error))))?;
    let directory = if path == "." { here } else { here.join(path) };
    match directory.to_str() {
        Some(_) => Ok(directory),
        None => Err(unusable(&format!("the path `{}` is not UTF-8", Path::display(&directory)))),
    }
}

/// Docker's options for the same thing: `max-size` and `max-file`.
fn log_limits(service: &Service) -> Result<LogLimits, Fault> {
    let option = |name: &str| service.logging.as_ref().and_then(|logging| logging.options.get(name));
    let fault = |name: &str, why: &str| {
        Fault::new(Class::Configuration, "bad-log-limit", format!("the logging option `{name}`: {why}"))
            .hint("write it as in `max-size: 10m` and `max-file: \"3\"`")
    };
    let logging = service.logging.iter();
    let drivers = logging.clone().filter_map(|logging| logging.driver.as_deref());
    let options = logging.flat_map(|logging| logging.options.keys().map(String::as_str));
    let mut unknown = drivers.chain(options.filter(|name| !["max-size", "max-file"].contains(name)));
    if let Some(word) = unknown.next() {
        let text = format!("`logging` of a process knows no `{word}`: its output goes to files of ours");
        return Err(Fault::new(Class::Configuration, "not-for-a-process", text)
            .hint("leave it out; the options `max-size` and `max-file` bound the files"));
    }
    let defaults = LogLimits::default();
    let max_bytes = match option("max-size") {
        Some(text) => ByteSize::from_str(text).map_err(|error| fault("max-size", &error.to_string()))?.0,
        None => defaults.max_bytes,
    };
    let max_files = match option("max-file") {
        Some(text) => text.parse().map_err(|_| fault("max-file", &format!("`{text}` is not a number")))?,
        None => defaults.max_files,
    };
    Ok(LogLimits { max_bytes, max_files: max_files.clamp(1, MAX_LOG_FILES) })
}

/// Each rotation renames them all.
const MAX_LOG_FILES: u32 = 100;
