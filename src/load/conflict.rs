//! What two services, or two replicas of one, cannot both have.

use std::{collections::HashMap, net::IpAddr};

use super::{Node, document::child, problem::wrong};
use crate::{
    diagnostic::{Diagnostics, Span},
    name::ServiceName,
    plan::{Port, Protocol, RuntimeKind, Service, is_one_address},
};

/// Who holds what only one can hold.
#[derive(Default)]
pub(super) struct Holdings<'a> {
    ports: HashMap<(u16, Protocol), Vec<PortHolder<'a>>>,
    names: HashMap<&'a str, (&'a ServiceName, Span)>,
}

struct PortHolder<'a> {
    host_ip: Option<IpAddr>,
    service_name: &'a ServiceName,
    span: Span,
}

impl<'a> Holdings<'a> {
    /// Adds what a service holds, and reports what someone holds already.
    pub fn add(&mut self, name: &'a ServiceName, node: &Node, service: &'a Service, problems: &mut Diagnostics) {
        let span_of = |path: &[&str]| {
            path.iter().try_fold(node, |node, key| child(node, key)).map_or(node.span, |node| node.span)
        };
        let replicas = service.replicas();
        if let Some(container_name) = &service.container_name {
            let span = span_of(&["container_name"]);
            if replicas > 1 {
                let summary = format!("{replicas} replicas of `{name}` cannot all be called `{container_name}`");
                problems.push(wrong("name-conflict", summary).at(span, "here").hint("take out `container_name`"));
            }
            if let Some((other, first)) = self.names.insert(container_name, (name, span)) {
                let summary = format!("`{other}` and `{name}` cannot both be called `{container_name}`");
                problems.push(wrong("name-conflict", summary).at(span, "again here").at(first, "first here"));
            }
        }
        let spans = port_spans(node);
        // Of a range, the first clash tells of the others.
        let mut reported = None;
        for (index, port) in service.ports.iter().enumerate() {
            let Some(published) = port.fixed() else { continue };
            let span = spans.get(index).copied().unwrap_or_else(|| span_of(&["ports"]));
            if reported == Some(span) {
                continue;
            }
            let before = problems.len();
            if replicas > 1 && reported.is_none() {
                let summary = format!("{replicas} replicas of `{name}` cannot all have host port {published}");
                let diagnostic = wrong("port-conflict", summary).at(span, "published here");
                problems.push(
                    diagnostic.hint(format!("publish `{}` without a host port, or keep one replica", port.target)),
                );
            }
            self.add_port(name, port.host_ip, (published, port.protocol), span, problems);
            if problems.len() > before {
                reported = Some(span);
            }
        }
        // A process listens on the host itself; its replicas may share a port, as sockets can.
        let exposed = service.expose.iter().filter(|_| service.runtime() == RuntimeKind::Process);
        for (index, port) in exposed.enumerate() {
            let span = node.items("expose").get(index).map_or_else(|| span_of(&["expose"]), |item| item.span);
            self.add_port(name, None, (port.port, port.protocol), span, problems);
        }
    }

    fn add_port(
        &mut self,
        name: &'a ServiceName,
        host_ip: Option<IpAddr>,
        port: (u16, Protocol),
        span: Span,
        problems: &mut Diagnostics,
    ) {
        let (number, _) = port;
        let holders = self.ports.entry(port).or_default();
        // A port on many addresses of one host is rare, and as many as there are addresses.
        if let Some(holder) = holders.iter().find(|holder| is_one_address(holder.host_ip, host_ip)) {
            let summary = match holder.service_name == name {
                true => format!("`{name}` publishes host port {number} twice"),
                false => format!("`{}` and `{name}` cannot both have host port {number}", holder.service_name),
            };
            problems.push(wrong("port-conflict", summary).at(span, "again here").at(holder.span, "first here"));
            return;
        }
        holders.push(PortHolder { host_ip, service_name: name, span });
    }
}

/// Where each of a service's ports was written; a range gives several.
pub(super) fn port_spans(node: &Node) -> Vec<Span> {
    let count = |item: &Node| item.as_text().map_or(1, |text| Port::count_short(text).unwrap_or(1));
    node.items("ports").iter().flat_map(|item| std::iter::repeat_n(item.span, count(item))).collect()
}
