fn delete(document: &str) {}
::core::compile_error! {
    "unknown key `permision`; did you mean `permission`?\nnote: accepted are `name`, `title`, `read_only`, `destructive`, `idempotent`, `closed_world`, `public`, `require_org`, `permission`, `role`, `scope`, `timeout`, `allow_unknown`, `rename_all`, `crate`"
}
::core::compile_error! {
    "`timeout` takes whole seconds, at least one: `timeout = 30`"
}
::core::compile_error! {
    "a tool is an `async fn`"
}
::core::compile_error! {
    "arguments are taken by value: use `String`"
}
