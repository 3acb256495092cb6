//! What the command line lays over a workload file: its own `quick` block, and single keys.

use super::malformed::Malformed;
use super::mistake::Mistake;
use super::tree::{Node, Origin, Value};

/// What the command line changes in a workload file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Lay the file's own `quick` block over the rest.
    pub quick: bool,
    /// `KEY=VALUE`, in order; each value is YAML.
    pub set: Vec<String>,
    /// Number of blocks instead of the file's `repetitions`, also where `set` gives that.
    pub blocks: Option<u32>,
    /// Whether bmt did not start the target: fewer faults may be injected there.
    pub foreign: bool,
    /// Whether a workload that names commands is refused, for they would be run.
    pub refuses_commands: bool,
    /// Whether the workload may name files outside its folder.
    pub allow_files: bool,
}

impl Overrides {
    /// Puts single keys in the place of what is written.
    pub(super) fn apply(&self, tree: &mut Node) -> Result<(), Mistake> {
        for set in &self.set {
            apply(tree, set)?;
        }
        if let Some(blocks) = self.blocks {
            let node = Node {
                value: Value::Scalar(blocks.into()),
                origin: Origin::Blocks(blocks),
            };
            tree.put("repetitions", node)
                .map_err(|problem| mistake(Origin::Blocks(blocks), "repetitions", problem))?;
        }
        Ok(())
    }
}

/// Takes the `quick` block out of the file.
pub(super) fn take_quick(tree: &mut Node) -> Option<Node> {
    let Value::Mapping(entries) = &mut tree.value else {
        return None;
    };
    let at = entries.iter().position(|entry| entry.key == "quick")?;
    Some(entries.remove(at).node)
}

fn apply(tree: &mut Node, set: &str) -> Result<(), Mistake> {
    let origin = Origin::Set(set.to_owned());
    let Some((path, value)) = set.split_once('=') else {
        let problem = "expected KEY=VALUE, for instance profile.target=500/s".to_owned();
        return Err(mistake(origin, "", problem));
    };
    if path.split('.').next() == Some("quick") {
        return Err(Mistake {
            allowed: Some("the key itself together with --quick, such as --quick --set profile.hold=2s".to_owned()),
            ..mistake(
                origin,
                path,
                "`quick` cannot be set: it is laid over the file before single keys are".to_owned(),
            )
        });
    }
    let node = Node::parse(value, Some(&origin)).map_err(|error| Malformed::new(&error, value, Some(&origin)))?;
    tree.put(path, node).map_err(|problem| mistake(origin, path, problem))
}

fn mistake(origin: Origin, path: &str, problem: String) -> Mistake {
    Mistake {
        origin,
        path: path.to_owned(),
        problem,
        allowed: None,
        nearest: None,
    }
}
