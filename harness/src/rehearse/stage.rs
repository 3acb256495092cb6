//! What every cell of a run is run with.

use bmt_sandbox::{Sandbox, Template};

use super::interrupt::Interrupt;
use super::options::Options;
use crate::provision::{self, ProvisionError};
use crate::workload::Workload;

/// What every cell of a run is run with.
pub(super) struct Stage<'a> {
    pub(super) workload: &'a Workload,
    pub(super) options: &'a Options,
    pub(super) interrupt: &'a Interrupt,
    pub(super) ground: Ground,
}

impl Stage<'_> {
    /// CPUs that everything of the target is started on; anywhere if empty.
    pub(super) fn target_cpus(&self) -> &[usize] {
        self.options.pin.as_ref().map_or(&[], |pin| &pin.target)
    }
}

/// What all cells share: the initialised data directory that shards are copied from, where bmt starts them.
pub(super) struct Ground {
    pub(super) template: Option<Template>,
    /// Holds the template's directory.
    _sandbox: Option<Sandbox>,
}

impl Ground {
    pub(super) async fn prepare(workload: &Workload, options: &Options) -> Result<Self, ProvisionError> {
        let variants = super::plan::variants(workload, options);
        let mut variants = variants.iter();
        if variants.all(|variant| options.external(variant).is_some() || variant.launch.is_some()) {
            return Ok(Self {
                template: None,
                _sandbox: None,
            });
        }
        provision::server_binary()?;
        provision::ensure_disk(workload.file.target.shards)?;
        let cpus = options.pin.as_ref().map_or(&[][..], |pin| &pin.target);
        let sandbox = Sandbox::on_cpus(cpus)?;
        Ok(Self {
            template: Some(Template::init(&sandbox).await?),
            _sandbox: Some(sandbox),
        })
    }
}
