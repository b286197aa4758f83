use super::{Instance, Observed};

/// What the name of an instance ends with that was let go. Labels cannot be taken away, and the name
/// is what every host sees.
const FORGOTTEN: &str = ".forgotten";

impl Instance {
    /// It was let go: it runs on, and is nobody's business any more.
    pub fn is_forgotten(&self) -> bool {
        self.name.ends_with(FORGOTTEN)
    }

    /// The name that it has once it is let go.
    pub fn forgotten_name(&self) -> String {
        format!("{}{FORGOTTEN}", self.name)
    }

    /// The name that it had before it was let go.
    pub fn remembered_name(&self) -> Option<&str> {
        self.name.strip_suffix(FORGOTTEN)
    }
}

impl Observed {
    /// Leaves out what was let go.
    pub fn leave_forgotten(&mut self) {
        self.instances.retain(|instance| !instance.is_forgotten());
    }
}
