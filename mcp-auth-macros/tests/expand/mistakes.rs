#[allow(clippy::needless_pass_by_value, reason = "arguments")]
fn delete(document: &str) {}
::core::compile_error! {
    "unknown key `permision`; did you mean `permission`?\nnote: accepted are `name`, `title`, `icon`, `read_only`, `destructive`, `idempotent`, `closed_world`, `public`, `require_user`, `require_org`, `permission`, `role`, `feature`, `plan`, `policy`, `reverification`, `scope`, `any`, `accept`, `forbid_actor`, `authorize`, `confirm`, `task`, `rate`, `concurrency`, `timeout`, `extend_on_progress`, `allow_unknown`, `lenient`, `rename_all`, `meta`, `crate`"
}
::core::compile_error! {
    "`timeout` takes whole seconds, at least one: `timeout = 30`"
}
::core::compile_error! {
    "arguments are taken by value: use `String`"
}
