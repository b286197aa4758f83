use std::{fmt::Display, net::IpAddr, str::FromStr};

use crate::{
    plan::{
        ByteSize, Cpus, DeviceCount, ExposedPort, FileMode, ImageReference, Link, Micros, Mount, Namespace, Port,
        PublishedPort, PullPolicy, RestartPolicy, SignalName, SwapLimit, VolumesFrom, Whole,
    },
    time::parse_duration,
};

/// Reads a text as a typed value does, for its message.
type Check = fn(&str) -> Result<(), String>;

/// The `format`s of the schema, each with the parser of the type that has it.
pub(super) const FORMATS: [(&str, Check); 22] = [
    ("duration-text", |text| read(parse_duration(text))),
    ("byte-size", parse::<ByteSize>),
    ("cpus", parse::<Cpus>),
    ("image-reference", parse::<ImageReference>),
    ("mount", parse::<Mount>),
    ("port", parse::<ExposedPort>),
    ("port-mapping", |text| read(Port::count_short(text))),
    ("published-port", parse::<PublishedPort>),
    ("file-mode", parse::<FileMode>),
    ("restart-policy", parse::<RestartPolicy>),
    ("whole-number", parse::<Whole>),
    ("microseconds", parse::<Micros>),
    ("swap-limit", parse::<SwapLimit>),
    ("device-count", parse::<DeviceCount>),
    ("namespace", parse::<Namespace>),
    ("volumes-from", parse::<VolumesFrom>),
    ("link", parse::<Link>),
    ("pull-policy", parse::<PullPolicy>),
    ("signal-name", parse::<SignalName>),
    ("ip", ip),
    ("regex", |text| read(regex::Regex::new(text).map_err(|_| not_a_regex(text)))),
    ("version-requirement", version),
];

/// Why a text does not have a format.
pub(super) fn complaint(format: &str, text: &str) -> Option<String> {
    let (_, check) = FORMATS.iter().find(|(name, _)| *name == format)?;
    check(text).err()
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<(), String> {
    read(text.parse::<T>())
}

fn read<T, E: Display>(result: Result<T, E>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}

fn ip(text: &str) -> Result<(), String> {
    text.parse::<IpAddr>().map(drop).map_err(|_| format!("`{text}` is not an IP address"))
}

fn version(text: &str) -> Result<(), String> {
    let requirement = semver::VersionReq::parse(text);
    requirement.map(drop).map_err(|_| format!("`{text}` is not a version requirement: write it as in `>=0.3`"))
}

fn not_a_regex(text: &str) -> String {
    format!("`{text}` is not a regular expression")
}
