//! What one check found.

/// One check: what was found, and a remedy where that is a problem.
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) found: String,
    pub(super) remedy: Option<String>,
}
