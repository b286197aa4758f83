/// What becomes of a key of the Compose specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::load) enum Support {
    /// It has Compose's meaning.
    Honoured,
    /// It has Compose's meaning but for what the reason says.
    InPart(&'static str),
    /// It is accepted and has no effect, which a warning says.
    Noted(&'static str),
    /// What is made without it would be something else: making it fails, and a warning says so before.
    Needed(&'static str),
    /// It is for Compose files; a plan says it otherwise.
    ComposeOnly(&'static str),
    /// A plan with it is refused; a Compose file is warned.
    Refused(&'static str),
}

/// A key, and what becomes of it.
pub(super) type Key = (&'static str, Support);

/// The keys of one mapping of the specification.
#[derive(Debug, Clone, Copy)]
pub(in crate::load) struct Section {
    /// Where it stands in a Compose file: `*` is any name, `[]` any item.
    pub place: &'static str,
    /// The definition of the plan's schema that has the same keys; `None` where plans have none.
    pub definition: Option<&'static str>,
    pub keys: &'static [Key],
    /// Keys that plans have there beyond the specification.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares it with the schema"))]
    pub own: &'static [&'static str],
}

impl Section {
    pub fn get(&self, key: &str) -> Option<Support> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, support)| *support)
    }
}
