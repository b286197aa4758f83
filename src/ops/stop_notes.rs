use std::collections::BTreeMap;

use super::context::State;
use crate::{change::Request, name::ProjectName, observed::StopNote};

/// Who stopped instances of a project by hand, by their ids, as far as it is known here.
pub(super) fn stops(state: &State, project: &ProjectName) -> BTreeMap<String, StopNote> {
    state.directory.stop_notes(project).read()
}

/// What the user asked for, with what is known of stops.
pub(super) fn with_stops(state: &State, project: &ProjectName, request: &Request) -> Request {
    Request { stops: stops(state, project), ..request.clone() }
}
