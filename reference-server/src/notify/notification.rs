//! What is sent, and in which role.

use tokio::time::Instant;

/// What caused a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Somebody has sent a message.
    Message,
    /// Somebody has reacted to one.
    Reaction,
    /// Somebody has joined.
    JoinNotice,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Message, Self::Reaction, Self::JoinNotice];
    /// In the order of [`Role::ALL`].
    pub(crate) const NAMES: [&str; 3] = ["message", "reaction", "join_notice"];

    /// The name used by settings, metrics and the gateway.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Tells one user that there is something new in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Notification {
    pub(super) role: Role,
    pub(super) chat_id: u64,
    pub(super) user_id: u64,
    /// The event's; 0 for a join, which is no event.
    pub(super) revision: u64,
    pub(super) enqueued: Instant,
}

impl Notification {
    /// As the gateway gets it.
    pub(super) fn body(&self) -> String {
        let Self {
            chat_id,
            user_id,
            revision,
            ..
        } = self;
        format!(r#"{{"chat_id":{chat_id},"user_id":{user_id},"revision":{revision}}}"#)
    }
}
