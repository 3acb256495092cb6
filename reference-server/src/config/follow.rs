//! Applies edits of the configuration file to the running server.
//!
//! The file is read twice a second and compared with the previous reading. It is small, so this costs nothing, and it
//! notices every way of replacing a file: in place, by rename, by switching a symbolic link (as mounted configuration
//! does), over a network file system. inotify misses the last and needs care for the second; comparing only time and
//! size misses a change within one clock tick. A text takes effect once two consecutive readings agree: a reading
//! during a write may see half the file, and half a file can be valid and mean something else.
//!
//! The file replaces changes made through the admin API: the last change wins.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::change::successor;
use super::live::{Live, Source};
use super::load::{ConfigError, ConfigFile, located, parse, read};
use super::{Config, Settings};

const EVERY: Duration = Duration::from_millis(250);

/// Result of one reading: the text, or the error.
type Reading = Result<String, String>;

/// Applies changes of the file until `stop`.
pub(crate) async fn follow(file: ConfigFile, live: Live, stop: CancellationToken) {
    let ConfigFile { path, text, config } = file;
    let name = path.display().to_string();
    let mut settling = Settling::new(text);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(reading) = settling.judge(reading(&path).await) else {
            continue;
        };
        let wanted = |current: &Settings| wanted(&name, &reading?, &config, current).map_err(|error| error.to_string());
        // A rejected change is logged, counted and kept there.
        let _ = live.change(Source::File, SystemTime::now(), wanted);
    }
}

async fn reading(path: &Path) -> Reading {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read(&path).map_err(|error| error.to_string()));
    read.await.unwrap_or_else(|panicked| Err(panicked.to_string()))
}

/// The settings described by the file's text; `running` is the configuration the server was started with.
fn wanted(name: &str, text: &str, running: &Config, current: &Settings) -> Result<Settings, ConfigError> {
    let config = parse(name, text)?;
    if let Some(key) = running.restart_needed(&config) {
        let message = "cannot change at run time; restart the server to apply this".to_owned();
        return Err(located(name, text, key.to_owned(), message));
    }
    successor(current, config.settings, config.redis.is_some())
        .map_err(|unfit| located(name, text, unfit.path(), unfit.message))
}

/// Waits until two consecutive readings agree.
struct Settling {
    taken: Reading,
    last: Reading,
}

impl Settling {
    fn new(text: String) -> Self {
        Self {
            taken: Ok(text.clone()),
            last: Ok(text),
        }
    }

    /// The reading, once it is stable and differs from the last one returned.
    fn judge(&mut self, reading: Reading) -> Option<Reading> {
        if reading != self.last {
            self.last = reading;
            return None;
        }
        if self.last == self.taken {
            return None;
        }
        self.taken = self.last.clone();
        Some(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "secret: long-enough\nadmin_token: long-enough\nshards: [mysql://a]\n";

    fn told(running: &str, text: &str) -> String {
        let running = parse("a.yaml", &format!("{HEAD}{running}")).unwrap();
        let current = running.settings.clone();
        wanted("a.yaml", &format!("{HEAD}{text}"), &running, &current)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn errors_in_the_edited_file_name_their_place() {
        let table = [
            (
                "settings:\n  bus: {partitions: 9}\n",
                "a.yaml:5:21: settings.bus.partitions: cannot change from 8 to 9",
            ),
            (
                "settings:\n  hot_chat: {fetches: x}\n",
                "a.yaml:5:23: settings.hot_chat.fetches",
            ),
            (
                "settings: {drain: 1s}\nmax_connections: 7\n",
                "a.yaml:5:18: max_connections: cannot change at run time",
            ),
            ("settings: [\n", "a.yaml:"),
            ("redis: redis://a/\n", "a.yaml:4:8: redis: cannot change"),
        ];
        for (text, message) in table {
            let said = told("", text);
            assert!(said.contains(message), "{text}: {said}");
        }
        let said = told("settings: {bus: {capacity: 7}}\n", "");
        assert!(
            said.contains("settings.bus.capacity: cannot change from 7 to 65536"),
            "left out: {said}"
        );
        let running = parse("x", HEAD).unwrap();
        let text = format!("{HEAD}settings: {{fetch: {{limit: 7}}}}\n");
        let settings = wanted("x", &text, &running, &Settings::default()).unwrap();
        assert_eq!(settings.fetch.limit.get(), 7);
    }

    #[test]
    fn a_text_takes_effect_once_two_readings_agree() {
        let ok = |text: &str| Ok(text.to_owned());
        let mut settling = Settling::new("a".to_owned());
        let table = [
            (ok("a"), None),
            (ok("half"), None),
            (ok("whole"), None),
            (ok("whole"), Some(ok("whole"))),
            (ok("whole"), None),
            (Err("gone".to_owned()), None),
            (ok("whole"), None),
            (ok("whole"), None),
            (Err("gone".to_owned()), None),
            (Err("gone".to_owned()), Some(Err("gone".to_owned()))),
            (ok("whole"), None),
            (ok("whole"), Some(ok("whole"))),
        ];
        for (at, (reading, counts)) in table.into_iter().enumerate() {
            assert_eq!(settling.judge(reading), counts, "reading {at}");
        }
    }
}
