//! The Docker runtime against a real engine. Without one these tests say so, and fail where they
//! have to run (`CI` is set).

mod bench;
mod faults;
mod lifecycle;
mod observing;
mod ownership;
mod replacing;
