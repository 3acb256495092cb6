//! Editing the configuration file changes the settings of the running server.
//!
//! The file is read twice a second and compared with what was read before. It is small, so this costs nothing, and it sees every
//! way in which files are replaced: written in place, by rename, by switching a symbolic link (as mounted configuration is), over a network
//! file system. Watching by inotify misses the last and needs care for the second; comparing only time and size misses a change
//! within one tick of the clock. A text counts once two readings in a row agree: a file that is just being written
//! might be half there, and half a file can be a good one that says something else.
//!
//! What the file says replaces what was changed by the admin API: the last word counts.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::change::successor;
use super::live::{Live, Source};
use super::load::{ConfigError, ConfigFile, located, parse, read};
use super::{Config, Settings};

const EVERY: Duration = Duration::from_millis(250);

/// What one reading gave: the text, or why there is none.
type Reading = Result<String, String>;

/// Applies what the file comes to say, until `stop`.
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
        // A refusal is logged, counted and kept there.
        let _ = live.change(Source::File, SystemTime::now(), wanted);
    }
}

async fn reading(path: &Path) -> Reading {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read(&path).map_err(|error| error.to_string()));
    read.await.unwrap_or_else(|panicked| Err(panicked.to_string()))
}

/// What the settings become by the file's text; `running` is what the server was started with.
fn wanted(name: &str, text: &str, running: &Config, current: &Settings) -> Result<Settings, ConfigError> {
    let config = parse(name, text)?;
    if let Some(key) = running.restart_needed(&config) {
        let message = "cannot change while the server runs; restart it to use this".to_owned();
        return Err(located(name, text, key.to_owned(), message));
    }
    successor(current, config.settings, config.redis.is_some())
        .map_err(|unfit| located(name, text, unfit.path(), unfit.message))
}

/// Waits until two readings in a row agree.
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

    /// The reading, once it has settled and differs from what was taken before.
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
    fn what_the_file_says_is_judged_with_its_place() {
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
                "a.yaml:5:18: max_connections: cannot change while",
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
    fn a_text_counts_once_two_readings_agree() {
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
