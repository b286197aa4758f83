//! The Docker runtime against a real engine. Without one these tests say so, and fail where they
//! have to run (`CI` is set).

mod bench;
mod distance;
mod faults;
mod lifecycle;
mod locking;
mod observing;
mod ownership;
mod proxy;
mod replacing;
mod twice;
mod vault;
