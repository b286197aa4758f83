//! The whole program on a real engine, as a user would run it.

mod apply;
mod by_hand;
mod changes;
mod checks;
mod engines;
mod failing;
mod files;
mod foreign;
mod inside;
mod keep;
mod night;
mod obstacles;
mod rebuild;
mod rollback;
mod selection;
mod settings;
mod signals;
mod vocabulary;
