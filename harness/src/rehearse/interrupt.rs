//! Ctrl-C and SIGTERM: the first asks for an orderly end with partial results, in which nothing new is sent and what is
//! under way may end; the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the run was asked to stop.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on; a second request exits with `exit_code`. Must be called on the runtime that the run uses.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub fn listen(exit_code: i32) -> std::io::Result<Self> {
        let (ask, asked) = watch::channel(false);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if ask.send_replace(true) {
                    // The reapers remove what bmt started, as after any sudden end.
                    std::process::exit(exit_code);
                }
                eprintln!(
                    "\nstopping: what is under way may end, and what was measured is written; once more to stop at once"
                );
            }
        });
        Ok(Self(asked))
    }

    /// Whether a stop was requested.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once a stop is requested.
    pub async fn asked(&self) {
        // The sender lives as long as the runtime: after an error no request can come any more.
        if self.0.clone().wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
