use super::*;
use crate::provision::Admin;
use crate::workload::{Overrides, TargetUrl, parse};

const WORKLOAD: &str = "
name: elsewhere
question: What can be had of another's server?
target: {settings: {insert: values}}
profile: {kind: constant, target: 10/s, hold: 10s}
traffic: {get: {operation: {get: {path: /}}, share: 1}}
variants:
  - {name: plain}
  - {name: same, settings: {insert: values}}
  - {name: own, settings: {fetch: {limit: 20}}}
  - {name: changed}
changes:
  - {after: 4s, variants: [changed], settings: {fetch: {limit: 30}}}
";

fn told(variants: &[&str], admin: bool) -> Result<(), String> {
    let overrides = Overrides {
        foreign: true,
        ..Overrides::default()
    };
    let workload = parse("workload.yaml", WORKLOAD, &overrides).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let url = "http://127.0.0.1:1";
    let external = External {
        admin: admin.then(|| Admin::parse(url, String::new()).unwrap()),
        ..External::new(TargetUrl::parse(url).unwrap())
    };
    let variants: Vec<String> = variants.iter().map(ToString::to_string).collect();
    check_external(&workload, &external, &variants)
}

#[test]
fn settings_and_changes_need_the_admin_api() {
    assert_eq!(told(&["plain", "same"], false), Ok(()), "nothing is to be applied");
    let own = told(&["own"], false).unwrap_err();
    assert!(
        own.contains("variant `own` has settings of its own (fetch)") && own.contains("--target-admin"),
        "{own}"
    );
    let changed = told(&["changed"], false).unwrap_err();
    assert!(
        changed.contains("changes settings at 4.0 s") && changed.contains("--target-admin"),
        "{changed}"
    );
    assert_eq!(told(&[], false).unwrap_err().lines().count(), 2, "all variants");
    assert_eq!(told(&[], true), Ok(()));
}
