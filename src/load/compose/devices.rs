//! Directories of the host that are volumes: `driver_opts: { type: none, o: bind, device: ./data }`.

use super::front::Front;
use crate::load::{Node, Value};

impl Front<'_> {
    /// Makes the paths of local volumes that are bound absolute, as those of services' mounts are.
    pub fn bound_devices(&mut self, root: &mut Node) {
        for volume in root.get_mut("volumes").and_then(Node::as_map_mut).into_iter().flatten() {
            let says = |path: &[&str], text: &str| {
                let found = path.iter().try_fold(&volume.value, |node, key| node.get(key));
                found.and_then(Node::as_text) == Some(text)
            };
            if !says(&["driver"], "local") || !says(&["driver_opts", "o"], "bind") {
                continue;
            }
            let device = volume.value.get_mut("driver_opts").and_then(|options| options.get_mut("device"));
            let Some(device) = device else { continue };
            let span = device.span;
            if let Value::Scalar(scalar) = &mut device.value
                && !scalar.text.starts_with('~')
            {
                scalar.text = self.library.resolve(span, &scalar.text).display().to_string().into();
            }
        }
    }
}
