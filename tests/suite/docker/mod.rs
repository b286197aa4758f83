//! The whole program on a real engine, as a user would run it.

mod apply;
mod changes;
mod failing;
mod foreign;
mod rollback;
mod selection;
