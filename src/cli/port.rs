use std::{collections::BTreeMap, net::IpAddr};

use anyhow::bail;

use super::{Exit, PortArguments, Session, Terminal, session::project_request};
use crate::{observed::PublishedPort, ops};

/// `orchestrate port`.
pub fn run(arguments: &PortArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let mut warnings = Vec::new();
    let which = (&arguments.service, arguments.index);
    let asked = session.look(ops::ports(&session.context, &project, which, &mut warnings));
    terminal.warn_of(&warnings);
    let (instance, ports) = asked?;
    let text: String = match arguments.port {
        None => ports
            .iter()
            .map(|port| format!("{}/{} -> {}\n", port.target, port.protocol.as_str(), place(port)))
            .collect(),
        Some((target, protocol)) => {
            let is_it = |port: &&PublishedPort| (port.target, port.protocol) == (target, protocol);
            ports.iter().filter(is_it).map(|port| format!("{}\n", place(port))).collect()
        }
    };
    match (arguments.port, text.is_empty()) {
        (Some((target, protocol)), true) => {
            bail!("port {target}/{} of `{instance}` is not published", protocol.as_str())
        }
        (_, _) => terminal.print(&text)?,
    }
    Ok(Exit::Ok)
}

fn place(port: &PublishedPort) -> String {
    match port.host_ip {
        Some(IpAddr::V6(ip)) => format!("[{ip}]:{}", port.host_port),
        Some(IpAddr::V4(ip)) => format!("{ip}:{}", port.host_port),
        None => format!("0.0.0.0:{}", port.host_port),
    }
}
