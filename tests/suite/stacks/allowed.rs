//! Where what `orchestrate` makes may differ from what Docker Compose makes, and why.

use std::path::Path;

use serde_json::Value;

/// One field of two descriptions of the same object.
pub struct Pair<'a> {
    /// Its place, beginning with the object's kind.
    pub field: &'a [String],
    /// All that the engine says of what Compose made, and of what we did.
    pub objects: (&'a Value, &'a Value),
    pub compose: &'a Value,
    pub ours: &'a Value,
}

/// Places, of which `*` is any part, and when what is there or below may differ.
type Allowed = (&'static str, fn(&Pair) -> bool);

const ALLOWED: &[Allowed] = &[
    // What happens, not what was asked for.
    ("container/Created", always),
    ("container/State", always),
    ("container/RestartCount", always),
    ("container/ExecIDs", always),
    ("network/Created", always),
    ("network/Containers", always),
    ("volume/CreatedAt", always),
    // Ids of the engine's, and what it makes of them.
    ("container/GraphDriver/Data", always),
    ("container/NetworkSettings/SandboxID", always),
    ("container/NetworkSettings/SandboxKey", always),
    ("container/NetworkSettings/Networks/*/EndpointID", always),
    // The engine's choice, where no address is asked for. Ports that are free at the moment are too: what is asked for
    // is HostConfig/PortBindings.
    ("container/NetworkSettings/Networks/*/IPAddress", has_any_address),
    ("container/NetworkSettings/Networks/*/IPPrefixLen", has_any_address),
    ("container/NetworkSettings/Networks/*/Gateway", has_any_address),
    ("container/NetworkSettings/Networks/*/MacAddress", has_any_address),
    ("container/NetworkSettings/Ports", always),
    // Aliases and names, which are compared.
    ("container/NetworkSettings/Networks/*/DNSNames", always),
    // Nobody asked for a subnet. Ours says which one it has, so that an address can be asked for.
    ("network/IPAM/Config", has_any_subnet),
    // A container of ours is made from the image that its name meant at the preview.
    ("container/Config/Image", is_id_of_image),
    // It was built twice, and an image has the time in it.
    ("container/Image", is_built_here),
    // Configs and secrets are copied, so that they stay as they were when a deployment was made.
    ("container/Mounts/*/Source", is_copy),
    ("container/HostConfig/Mounts/*/Source", is_copy),
    // Those that are in no file Compose writes into the container.
    ("container/Mounts/*", is_written_by_compose),
    ("container/HostConfig/Mounts/*", is_written_by_compose),
];

/// Whether a difference is one that may be.
pub fn may_differ(pair: &Pair) -> bool {
    ALLOWED.iter().any(|(place, when)| {
        let mut parts = pair.field.iter();
        place.split('/').all(|wanted| parts.next().is_some_and(|part| wanted == "*" || wanted == part)) && when(pair)
    })
}

fn always(_: &Pair) -> bool {
    true
}

/// Whether the endpoint is at any address of its network.
fn has_any_address(pair: &Pair) -> bool {
    pair.objects.0["NetworkSettings"]["Networks"][&pair.field[3]]["IPAMConfig"].is_null()
}

/// Whether it is one of those subnets that the engine gives by itself.
fn has_any_subnet(pair: &Pair) -> bool {
    let configs = pair.objects.0["IPAM"]["Config"].as_array().into_iter().flatten();
    let mut subnets = configs.filter_map(|config| config["Subnet"].as_str());
    subnets.all(|subnet| subnet.starts_with("172.") || subnet.starts_with("192.168."))
}

fn is_id_of_image(pair: &Pair) -> bool {
    *pair.ours == pair.objects.1["Image"]
}

fn is_built_here(pair: &Pair) -> bool {
    pair.objects.0["Config"]["Image"].as_str().is_some_and(|image| image.starts_with("stack-"))
}

fn is_copy(pair: &Pair) -> bool {
    let content = |path: &Value| {
        path.as_str().map(Path::new).filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap())
    };
    content(pair.compose).is_some_and(|original| content(pair.ours) == Some(original))
}

/// Whether there is a file of ours where Compose mounts nothing.
fn is_written_by_compose(pair: &Pair) -> bool {
    let Some(target) = pair.field.iter().find(|part| part.starts_with('/')) else { return false };
    let ours = pair.objects.1["Mounts"][target]["Source"].as_str().unwrap_or_default();
    pair.objects.0["Mounts"][target].is_null() && ours.contains("/state/files/")
}
