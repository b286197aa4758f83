//! Data that is saved and restored: of real volumes, and of a real database.

mod postgres;
mod volumes;
