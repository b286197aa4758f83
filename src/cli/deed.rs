use super::Terminal;
use crate::{
    ops::Deed,
    report::{Ink, Level, Tone},
};

/// Says what is done to which instance, a line each: what is begun only if more is to be told.
pub fn say(terminal: &Terminal) -> impl FnMut(&str, Deed) + Send + use<> {
    let terminal = terminal.clone();
    move |name, deed| {
        let (word, is_end, tone) = words(deed);
        let is_told = match terminal.level {
            Level::Quiet => false,
            Level::Normal => is_end,
            Level::Verbose => true,
        };
        if is_told {
            terminal.say(&line(name, word, tone, terminal.talk_ink));
        }
    }
}

fn line(name: &str, word: &str, tone: Tone, ink: Ink) -> String {
    format!("{name}: {}\n", ink.paint(tone, word))
}

/// The word, whether something has come to its end with it, and its tone.
fn words(deed: Deed) -> (&'static str, bool, Tone) {
    match deed {
        Deed::Stopping => ("stopping", false, Tone::Faint),
        Deed::Stopped => ("stopped", true, Tone::Notable),
        Deed::Starting => ("starting", false, Tone::Faint),
        Deed::Started => ("started", true, Tone::Good),
        Deed::Awaited => ("waiting for its checks", false, Tone::Faint),
        Deed::Healthy => ("healthy", true, Tone::Good),
        Deed::Paused => ("paused", true, Tone::Notable),
        Deed::Unpaused => ("unpaused", true, Tone::Good),
        Deed::Signalled => ("signalled", true, Tone::Notable),
        Deed::LetGo => ("let go, it runs on", true, Tone::Notable),
        Deed::TakenBack => ("taken back", true, Tone::Good),
        Deed::AlreadySo => ("stopped already", true, Tone::Faint),
    }
}
