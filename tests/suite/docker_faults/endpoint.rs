//! The engine's endpoints that the program calls: all of them.

use super::http::Request;

/// One endpoint. What the program calls and is not here, fails the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    Version,
    Info,
    Events,
    ListContainers,
    CreateContainer,
    InspectContainer,
    StartContainer,
    UnpauseContainer,
    StopContainer,
    RemoveContainer,
    RenameContainer,
    UpdateContainer,
    Logs,
    ReadArchive,
    WriteArchive,
    CreateExec,
    StartExec,
    InspectExec,
    ListImages,
    InspectImage,
    ImportImage,
    PullImage,
    BuildImage,
    TagImage,
    RemoveImage,
    ListNetworks,
    CreateNetwork,
    InspectNetwork,
    RemoveNetwork,
    ConnectNetwork,
    DisconnectNetwork,
    ListVolumes,
    CreateVolume,
    InspectVolume,
    RemoveVolume,
}

impl Endpoint {
    pub const ALL: [Self; 35] = [
        Self::Version,
        Self::Info,
        Self::Events,
        Self::ListContainers,
        Self::CreateContainer,
        Self::InspectContainer,
        Self::StartContainer,
        Self::UnpauseContainer,
        Self::StopContainer,
        Self::RemoveContainer,
        Self::RenameContainer,
        Self::UpdateContainer,
        Self::Logs,
        Self::ReadArchive,
        Self::WriteArchive,
        Self::CreateExec,
        Self::StartExec,
        Self::InspectExec,
        Self::ListImages,
        Self::InspectImage,
        Self::ImportImage,
        Self::PullImage,
        Self::BuildImage,
        Self::TagImage,
        Self::RemoveImage,
        Self::ListNetworks,
        Self::CreateNetwork,
        Self::InspectNetwork,
        Self::RemoveNetwork,
        Self::ConnectNetwork,
        Self::DisconnectNetwork,
        Self::ListVolumes,
        Self::CreateVolume,
        Self::InspectVolume,
        Self::RemoveVolume,
    ];

    /// The method, and the path with `{}` for a name or id.
    fn shape(self) -> (&'static str, &'static str) {
        match self {
            Self::Version => ("GET", "/version"),
            Self::Info => ("GET", "/info"),
            Self::Events => ("GET", "/events"),
            Self::ListContainers => ("GET", "/containers/json"),
            Self::CreateContainer => ("POST", "/containers/create"),
            Self::InspectContainer => ("GET", "/containers/{}/json"),
            Self::StartContainer => ("POST", "/containers/{}/start"),
            Self::UnpauseContainer => ("POST", "/containers/{}/unpause"),
            Self::StopContainer => ("POST", "/containers/{}/stop"),
            Self::RemoveContainer => ("DELETE", "/containers/{}"),
            Self::RenameContainer => ("POST", "/containers/{}/rename"),
            Self::UpdateContainer => ("POST", "/containers/{}/update"),
            Self::Logs => ("GET", "/containers/{}/logs"),
            Self::ReadArchive => ("GET", "/containers/{}/archive"),
            Self::WriteArchive => ("PUT", "/containers/{}/archive"),
            Self::CreateExec => ("POST", "/containers/{}/exec"),
            Self::StartExec => ("POST", "/exec/{}/start"),
            Self::InspectExec => ("GET", "/exec/{}/json"),
            Self::ListImages => ("GET", "/images/json"),
            Self::InspectImage => ("GET", "/images/{}/json"),
            Self::ImportImage | Self::PullImage => ("POST", "/images/create"),
            Self::BuildImage => ("POST", "/build"),
            Self::TagImage => ("POST", "/images/{}/tag"),
            Self::RemoveImage => ("DELETE", "/images/{}"),
            Self::ListNetworks => ("GET", "/networks"),
            Self::CreateNetwork => ("POST", "/networks/create"),
            Self::InspectNetwork => ("GET", "/networks/{}"),
            Self::RemoveNetwork => ("DELETE", "/networks/{}"),
            Self::ConnectNetwork => ("POST", "/networks/{}/connect"),
            Self::DisconnectNetwork => ("POST", "/networks/{}/disconnect"),
            Self::ListVolumes => ("GET", "/volumes"),
            Self::CreateVolume => ("POST", "/volumes/create"),
            Self::InspectVolume => ("GET", "/volumes/{}"),
            Self::RemoveVolume => ("DELETE", "/volumes/{}"),
        }
    }

    /// The endpoint of a request, and the name or id in its path.
    pub fn of(request: &Request) -> Option<(Self, String)> {
        let Request { method, path, .. } = request;
        let has_source = !request.query("fromSrc").is_empty();
        // Two that differ in nothing but what they bring with them.
        let candidates = Self::ALL.into_iter().filter(|endpoint| match endpoint {
            Self::ImportImage => has_source,
            Self::PullImage => !has_source,
            _ => true,
        });
        candidates.into_iter().find_map(|endpoint| {
            let (wanted, shape) = endpoint.shape();
            let Some((head, tail)) = shape.split_once("{}") else {
                return (*method == wanted && path == shape).then(|| (endpoint, String::new()));
            };
            let name = path.strip_prefix(head)?.strip_suffix(tail)?;
            (*method == wanted && !name.is_empty()).then(|| (endpoint, name.to_owned()))
        })
    }

    /// Whether it may change something that matters. What a command does inside a container is not
    /// the engine's.
    pub fn changes(self) -> bool {
        !matches!(self, Self::CreateExec | Self::StartExec) && self.shape().0 != "GET"
    }

    pub fn lists(self) -> bool {
        matches!(self, Self::ListContainers | Self::ListNetworks | Self::ListVolumes | Self::ListImages)
    }
}
