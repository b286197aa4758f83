use orchestrate::action::Action;

/// Names every kind of action: a new one does not compile until it is named here, and then has to
/// appear among the golden transitions.
macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        pub const KINDS: &[&str] = &[$(stringify!($kind)),*];

        pub fn kind(action: &Action) -> &'static str {
            match action {
                $(Action::$kind { .. } => stringify!($kind),)*
            }
        }
    };
}

kinds!(
    PullImage,
    BuildImage,
    HoldImage,
    ReleaseImage,
    CreateNetwork,
    RemoveNetwork,
    CreateVolume,
    RemoveVolume,
    WriteFile,
    RemoveFile,
    Create,
    Remove,
    Rename,
    SetRestartPolicy,
    SetLimits,
    SetAliases,
    SetFiles,
    Start,
    Stop,
    SaveVolume,
    Dump,
    RunCommand,
);
