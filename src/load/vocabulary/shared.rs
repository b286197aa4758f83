use super::support::{
    Section,
    Support::{ComposeOnly, Honoured, InPart, Noted, Refused},
};

const SWARM: &str = "only a Swarm has a use for it";
const KEPT: &str = "what a Swarm keeps can be had from a Swarm only; the environment may give the secret instead";

pub(super) const DOCUMENT: [Section; 2] = [
    Section {
        place: "",
        definition: Some(""),
        own: &[
            "apiVersion",
            "checks",
            "hooks",
            "parallelism",
            "project",
            "after",
            "moved",
            "outputs",
            "required_version",
            "retain",
            "retry",
            "rollback",
            "runtime",
            "schedule",
            "tests",
            "vars",
        ],
        keys: &[
            ("configs", Honoured),
            ("include", InPart("a plan names the files alone, and they may have a `*`")),
            ("models", Refused("language models are run by Docker's model runner, not by the engine")),
            ("name", Honoured),
            ("networks", Honoured),
            ("secrets", Honoured),
            ("services", Honoured),
            ("version", ComposeOnly("a plan says `apiVersion`; in Compose files it has no meaning any more")),
            ("volumes", Honoured),
        ],
    },
    Section {
        place: "include[]",
        definition: None,
        own: &[],
        keys: &[("env_file", Honoured), ("path", Honoured), ("project_directory", Honoured)],
    },
];

pub(super) const RESOURCES: [Section; 12] = [
    Section {
        place: "services.*.volumes[].tmpfs",
        definition: Some("TmpfsOptions"),
        own: &[],
        keys: &[("mode", Honoured), ("size", Honoured)],
    },
    Section {
        place: "services.*.volumes[].image",
        definition: Some("ImageOptions"),
        own: &[],
        keys: &[("subpath", Honoured)],
    },
    Section {
        place: "networks.*",
        definition: Some("Network"),
        own: &[],
        keys: &[
            ("attachable", Honoured),
            ("driver", Honoured),
            ("driver_opts", Honoured),
            ("enable_ipv4", InPart("engines before 28 always have IPv4")),
            ("enable_ipv6", Honoured),
            ("external", Honoured),
            ("internal", Honoured),
            ("ipam", Honoured),
            ("labels", Honoured),
            ("name", Honoured),
        ],
    },
    Section {
        place: "networks.*.ipam",
        definition: Some("Ipam"),
        own: &[],
        keys: &[("config", Honoured), ("driver", Honoured), ("options", Honoured)],
    },
    Section {
        place: "networks.*.ipam.config[]",
        definition: Some("IpamPool"),
        own: &[],
        keys: &[("aux_addresses", Honoured), ("gateway", Honoured), ("ip_range", Honoured), ("subnet", Honoured)],
    },
    Section {
        place: "volumes.*",
        definition: Some("Volume"),
        own: &[],
        keys: &[
            ("driver", Honoured),
            ("driver_opts", Honoured),
            ("external", Honoured),
            ("labels", Honoured),
            ("name", Honoured),
        ],
    },
    Section {
        place: "configs.*",
        definition: Some("ConfigDefinition"),
        own: &[],
        keys: &[
            ("content", Honoured),
            ("environment", Honoured),
            ("external", InPart("what a Swarm keeps can be had from a Swarm only: a service cannot use it")),
            ("file", Honoured),
            ("labels", Noted(SWARM)),
            ("name", InPart("it is what a Swarm calls it; here it is a file")),
            ("template_driver", Noted(SWARM)),
        ],
    },
    Section {
        place: "secrets.*",
        definition: Some("SecretDefinition"),
        own: &["description"],
        keys: &[
            ("driver", Noted(SWARM)),
            ("driver_opts", Noted(SWARM)),
            ("environment", Honoured),
            ("external", InPart(KEPT)),
            ("file", Honoured),
            ("labels", Noted(SWARM)),
            ("name", InPart("it is what a Swarm calls it; here it is a file")),
            ("template_driver", Noted(SWARM)),
        ],
    },
    external("configs.*.external"),
    external("networks.*.external"),
    external("secrets.*.external"),
    external("volumes.*.external"),
];

const fn external(place: &'static str) -> Section {
    Section { place, definition: Some("External"), own: &[], keys: &[("name", Honoured)] }
}
