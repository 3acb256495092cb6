//! Burns CPU for every admitted request, so that a harness can prove that it detects a slower build.
//!
//! It runs within admission: burning holds a slot, as slower code would. The deadline does not cut it short.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::Shared;
use crate::cpu;

pub(crate) async fn burn(State(app): State<Shared>, request: Request, next: Next) -> Response {
    cpu::burn(app.live.current().burn_cpu.get()).await;
    next.run(request).await
}
