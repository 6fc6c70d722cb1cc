//! What keeps [`Serving`](crate::serving::Serving) true: following the releases in the bucket and the
//! changes in the database. Both run for as long as the server does and outlive the loss of what they follow.

mod changes;
mod followed;
mod mending;
mod releases;
mod written;

pub(crate) use changes::ChangeFollower;
pub(crate) use followed::Followed;
pub(crate) use releases::ReleaseFollower;
