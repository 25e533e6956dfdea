//! Tools as users may write them.

#![allow(dead_code, reason = "a tool is called through its registration")]
#![allow(
    clippy::unused_async,
    clippy::trivially_copy_pass_by_ref,
    reason = "about the functions themselves"
)]

mod arguments {
    mod a_struct_alone_or_among_others;
    mod defaults_and_renames;
    mod names_that_need_care;
    mod rules_of_garde;
    mod serde_and_schemars_attributes;
}
mod authorize {
    mod functions_of_every_form;
}
mod confirm {
    mod questions_of_every_form;
}
mod duplicates {
    mod the_same_name_in_two_modules;
}
mod forms {
    mod fields_and_choices_of_every_kind;
}
mod limits {
    mod rates_and_concurrency_go_with_every_guard;
}
mod modules {
    mod guards_of_modules;
}
mod permission {
    mod every_key_goes_with_the_others;
    mod strings_and_constants_name_what_is_required;
}
mod policies {
    mod functions_and_constants;
}
mod prompts {
    mod every_key_of_a_prompt;
}
mod resources {
    mod every_key_of_a_resource;
}
mod signature {
    pub(super) mod another_path_to_the_crate;
    mod attributes_of_the_function;
    mod modules_and_function_bodies;
    mod names_of_the_expansion;
    mod plain_functions;
    mod strict_lints;
}
mod state {
    mod state_and_types_of_the_users_own;
}
mod tasks {
    mod tasks_of_every_form;
}
mod types {
    mod data_of_the_users_own;
    mod everything_a_tool_may_return;
    mod everything_a_tool_may_take;
}
