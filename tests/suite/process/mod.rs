//! The product on local processes, from the command line, as a user meets it.

mod by_hand;
mod deploying;
mod hooks;
mod interrupting;
mod night;
mod on_change;
mod programs;
mod secrets;
mod settings;
mod state_files;
mod streams;
mod watching;
