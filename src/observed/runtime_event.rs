use super::Health;

/// Something happened to one of the project's instances, unasked or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeEvent {
    Started { id: String },
    Exited { id: String, code: i64, killed_for_memory: bool },
    HealthChanged { id: String, health: Health },
}
