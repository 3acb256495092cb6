//! The push gateway beside the reference server: what the schema cannot judge.

use std::collections::BTreeSet;

use super::domain::Variant;
use super::file::{Settings, WorkloadFile};
use super::judge::{Foreign, Judge};

/// What bmt fills in of the push component's client where it starts the gateway.
const FILLED_IN: [&str; 2] = ["url", "trust"];

impl Judge<'_> {
    /// Notes gateways that cannot be started or that nothing is sent to, and push components without one.
    pub(super) fn gateways(&mut self, file: &WorkloadFile, variants: &[Variant]) {
        let of_variants = file.variants.iter().enumerate();
        let own = of_variants.map(|(index, variant)| (format!("variants.{index}.gateway"), &variant.gateway));
        let written: Vec<String> = std::iter::once(("target.gateway".to_owned(), &file.target.gateway))
            .chain(own)
            .filter_map(|(path, block)| block.as_ref().map(|_| path))
            .collect();
        if let Some(foreign) = self.foreign {
            self.nowhere_to_start(&written, foreign);
            return;
        }
        if let Some(path) = written.first().filter(|_| !file.notifies()) {
            self.mistake(
                path,
                "nothing is sent to it: no variant has a push component",
                "settings with `notify`, such as {notify: {gateway: {}}}",
            );
        }
        let mut told = BTreeSet::new();
        for (index, variant) in variants.iter().enumerate() {
            let Some(client) = client(&variant.settings) else {
                continue;
            };
            let own = self::client(&file.variants[index].settings);
            let at = |is_own: bool| match is_own {
                true => format!("variants.{index}.settings.notify.gateway"),
                false => "target.settings.notify.gateway".to_owned(),
            };
            if variant.gateway.is_none() && !client.contains_key("url") && told.insert(at(own.is_some())) {
                self.mistake(
                    &at(own.is_some()),
                    format!("variant `{}` has no push gateway", variant.name),
                    "target.gateway, which bmt then starts, or the `url` of another one",
                );
            }
            let filled_in = FILLED_IN.into_iter().filter(|_| variant.gateway.is_some());
            for key in filled_in.filter(|key| client.contains_key(*key)) {
                let path = format!("{}.{key}", at(own.is_some_and(|own| own.contains_key(key))));
                if told.insert(path.clone()) {
                    self.mistake(
                        &path,
                        format!("`{key}` is that of the push gateway that bmt starts for the cell"),
                        "leave it out, or leave `gateway` out",
                    );
                }
            }
        }
    }

    fn nowhere_to_start(&mut self, written: &[String], foreign: Foreign) {
        let (because, without) = match foreign {
            Foreign::Target => ("the target is started by somebody else", "a run without --target"),
            Foreign::Command => (
                "`command` takes the place of the reference server",
                "a workload without `command`",
            ),
        };
        for path in written {
            self.mistake(
                path,
                format!("a push gateway is started beside the reference server, and {because}"),
                format!("leave `gateway` out; or {without}"),
            );
        }
    }
}

/// The push component's client in some settings, where there is one.
fn client(settings: &Settings) -> Option<&Settings> {
    settings.get("notify")?.get("gateway")?.as_object()
}
