//! The whole program on a real engine, as a user would run it.

mod adopt;
mod apply;
mod building;
mod by_hand;
mod changes;
mod checks;
mod commands;
mod engines;
mod failing;
mod files;
mod foreign;
mod inside;
mod keep;
mod night;
mod obstacles;
mod on_change;
mod plans;
mod pulling;
mod rebuild;
mod registry;
mod rollback;
mod selection;
mod settings;
mod signals;
mod surroundings;
mod vocabulary;
