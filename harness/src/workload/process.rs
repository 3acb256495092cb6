//! A target that bmt starts, and what is done before and after the load: what the schema cannot judge.

use std::collections::BTreeMap;

use super::domain::Variant;
use super::file::{HookFile, ReadyFile, WorkloadFile};
use super::folder::Folder;
use super::judge::Judge;
use super::launch::{Deed, Hook, Launch, Program, Ready, Variable, Variables};
use super::overrides::Overrides;
use super::secret::looks_secret;
use super::shape::join;
use super::target_url::TargetUrl;
use crate::template::{CommandText, Sources};
use crate::transport::Http;

/// Where a program listens unless the workload says otherwise.
const URL: &str = "http://127.0.0.1:{{port}}";
/// Stands for the port that is not chosen yet where its number does not matter.
const ANY_PORT: u16 = 1;

impl Judge<'_> {
    /// Gives each variant what is started for it, where that is not somebody else's server.
    pub(super) fn launches(
        &mut self,
        file: &WorkloadFile,
        variants: &mut [Variant],
        folder: &Folder,
        overrides: &Overrides,
    ) {
        let target = &file.target;
        self.useless(file);
        let common = target.command.as_deref();
        let program = common.and_then(|words| self.program("target.command", words, folder, overrides.foreign));
        let env = self.variables("target.env", &target.env);
        let url = match file.has_command() {
            true => self.program_url("target.url", target.url.as_deref().unwrap_or(URL)),
            false => None,
        };
        let (ready, within) = self.ready("target.ready", file);
        for (index, (variant, written)) in variants.iter_mut().zip(&file.variants).enumerate() {
            let path = format!("variants.{index}");
            let own = written.command.as_deref();
            let at = join(&path, "command");
            let program = match own {
                Some(words) => self.program(&at, words, folder, overrides.foreign),
                None => program.clone(),
            };
            if own.is_none() && common.is_none() && file.has_command() {
                self.mistake(
                    &path,
                    format!("`{}` has no `command`, and another variant has one", written.name),
                    "a `command` of its own in each variant, or `target.command`",
                );
            }
            variant.env = env.clone();
            variant.env.extend(self.variables(&join(&path, "env"), &written.env));
            let launch = program.zip(url.clone()).map(|(program, url)| Launch {
                program,
                url,
                ready: ready.clone(),
                within,
            });
            variant.launch = launch.filter(|_| !overrides.foreign);
        }
        if !overrides.foreign && file.has_command() {
            self.no_settings(file);
        }
        if overrides.refuses_commands {
            self.no_commands(file, overrides.foreign);
        }
    }

    /// Notes what only a `command` has a use for, where there is none.
    fn useless(&mut self, file: &WorkloadFile) {
        let target = &file.target;
        if target.ready.is_some() && !file.has_command() {
            self.mistake(
                "target.ready",
                "it is of a program that bmt starts, and there is no `command`",
                "target.command: [PROGRAM, ARGUMENT, …]; a server that you start yourself is given as --target",
            );
        }
        let mut hooks = target.before.iter().chain(&target.after);
        if file.has_command() || hooks.any(|hook| hook.command.is_some()) {
            return;
        }
        let of_variants = file.variants.iter().enumerate();
        let of_variants = of_variants.map(|(index, variant)| (format!("variants.{index}.env"), &variant.env));
        let all = of_variants.chain([("target.env".to_owned(), &target.env)]);
        for (path, _) in all.filter(|(_, env)| !env.is_empty()) {
            self.mistake(
                &path,
                "it is the environment of commands, and there is none",
                "target.command: [PROGRAM, ARGUMENT, …]",
            );
        }
    }

    /// Notes settings of the reference server, which is not started. Those of `target` are left alone, as where
    /// `--target` is given: no variant differs by them.
    fn no_settings(&mut self, file: &WorkloadFile) {
        const INSTEAD: &str = "leave them out; variants of a program differ in `command` and `env`";
        for (index, variant) in file.variants.iter().enumerate() {
            if !variant.settings.is_empty() {
                self.mistake(
                    &format!("variants.{index}.settings"),
                    "they are the reference server's, which `command` takes the place of",
                    INSTEAD,
                );
            }
        }
        if !file.changes.is_empty() {
            self.mistake(
                "changes",
                "they are of the reference server's settings, which `command` takes the place of",
                INSTEAD,
            );
        }
    }

    /// Notes every command: a workload from elsewhere runs nothing unless it is allowed to.
    fn no_commands(&mut self, file: &WorkloadFile, is_foreign: bool) {
        let target = [("target.command".to_owned(), file.target.command.is_some())];
        let variants = file.variants.iter().enumerate();
        let variants =
            variants.map(|(index, variant)| (format!("variants.{index}.command"), variant.command.is_some()));
        let hooks = |name: &'static str, hooks: &[HookFile]| -> Vec<(String, bool)> {
            let hooks = hooks.iter().enumerate();
            let hooks = hooks.map(|(index, hook)| (format!("target.{name}.{index}.command"), hook.command.is_some()));
            hooks.collect()
        };
        let started = target.into_iter().chain(variants).filter(|_| !is_foreign);
        let hooks = hooks("before", &file.target.before)
            .into_iter()
            .chain(hooks("after", &file.target.after));
        for (path, _) in started.chain(hooks).filter(|(_, is_given)| *is_given) {
            self.mistake(
                &path,
                "a workload runs no command unless it is allowed to",
                "--allow-commands, where you know what it runs",
            );
        }
    }

    /// What is done before or after the load.
    pub(super) fn hooks(&mut self, path: &str, hooks: &[HookFile], folder: &Folder) -> Vec<Hook> {
        let hooks = hooks.iter().enumerate();
        hooks
            .filter_map(|(index, hook)| self.hook(&join(path, &index.to_string()), hook, folder))
            .collect()
    }

    fn hook(&mut self, path: &str, hook: &HookFile, folder: &Folder) -> Option<Hook> {
        self.positive(&join(path, "within"), hook.within);
        if hook.check.is_some() && hook.request.is_none() {
            self.mistake(
                &join(path, "check"),
                "it is of the answer to a `request`, and there is none",
                "leave `check` out: the exit status of a command has to be 0",
            );
        }
        let deed = match (&hook.request, &hook.command) {
            // No arrival, so no values of one.
            (Some(request), None) => {
                let at = join(path, "request");
                Deed::Request(self.ask(path, &at, request, hook.check.as_ref(), &Sources::default(), folder)?)
            }
            (None, Some(words)) => Deed::Command(self.program(&join(path, "command"), words, folder, false)?),
            _ => {
                self.mistake(
                    path,
                    "needs either `request` or `command`",
                    "request: what is sent to the target, such as {post: /reset}; command: [PROGRAM, ARGUMENT, …]",
                );
                return None;
            }
        };
        let within = hook.within.0;
        Some(Hook { deed, within })
    }

    fn program(&mut self, path: &str, words: &[String], folder: &Folder, may_be_missing: bool) -> Option<Program> {
        let texts = words.iter().enumerate();
        let texts: Vec<Option<CommandText>> = texts
            .map(|(index, word)| self.text(&join(path, &index.to_string()), word))
            .collect();
        let words = texts.into_iter().collect::<Option<Vec<_>>>()?;
        let first = words.first()?.filled(ANY_PORT);
        let program = Program {
            words,
            folder: folder.absolute(),
        };
        let at = join(path, "0");
        if first.is_empty() {
            self.mistake(
                &at,
                "there is no program",
                "its name, or its path from the workload's folder",
            );
        } else if first.contains('/') && !may_be_missing && !program.path(ANY_PORT).is_file() {
            self.mistake(
                &at,
                format!("there is no program {}", program.path(ANY_PORT).display()),
                "a path from the workload's folder that leads to a program, or a name without / that is looked for on the PATH",
            );
        }
        Some(program)
    }

    fn variables(&mut self, path: &str, env: &BTreeMap<String, String>) -> Variables {
        let mut variables = Variables::new();
        for (name, value) in env {
            let at = join(path, name);
            if name.is_empty() || name.contains(['=', '\0']) {
                self.mistake(
                    &at,
                    format!("`{name}` cannot be the name of a variable"),
                    "letters, digits and _",
                );
            }
            if let Some(text) = self.text(&at, value) {
                let is_secret = looks_secret(name, value);
                variables.insert(name.clone(), Variable { text, is_secret });
            }
        }
        variables
    }

    fn text(&mut self, path: &str, text: &str) -> Option<CommandText> {
        if text.contains('\0') {
            self.mistake(path, "it has a NUL in it, which ends a text", "a text without \\0");
        }
        self.compiled(path, CommandText::compile(text))
    }

    fn program_url(&mut self, path: &str, url: &str) -> Option<CommandText> {
        let text = self.text(path, url)?;
        let filled = text.filled(ANY_PORT);
        if let Err(what) = TargetUrl::read(&filled) {
            self.mistake(
                path,
                format!("`{url}` {what}"),
                "http://127.0.0.1:{{port}} or http://127.0.0.1:{{port}}/BASE, or unix:///PATH",
            );
        }
        Some(text)
    }

    fn ready(&mut self, path: &str, file: &WorkloadFile) -> (Ready, std::time::Duration) {
        let default = ReadyFile {
            port: Some(true),
            ..ReadyFile::default()
        };
        let ready = file.target.ready.as_ref().unwrap_or(&default);
        self.positive(&join(path, "within"), ready.within);
        let is_encrypted = file.target.url.as_ref().is_some_and(|url| url.starts_with("https://"));
        if ready.http.is_some() && (is_encrypted || file.target.http.0 == Http::Two) {
            self.mistake(
                &join(path, "http"),
                "it is asked for in HTTP/1.1 without TLS, and the program speaks another",
                "port: true",
            );
        }
        let shows = match (&ready.http, ready.port) {
            (Some(http), None) => {
                if !http.starts_with('/') || http.contains(|c: char| !c.is_ascii_graphic() || c == '#') {
                    self.mistake(
                        &join(path, "http"),
                        format!("`{http}` is not a path"),
                        "a path that starts with / and has no spaces, such as /healthz",
                    );
                }
                Ready::Http(http.clone())
            }
            (None, Some(true)) => Ready::Port,
            _ => {
                self.mistake(
                    path,
                    "it is not clear what shows that the program is ready",
                    "either http: /PATH, or port: true",
                );
                Ready::Port
            }
        };
        (shows, ready.within.0)
    }
}
