//! The methods of MCP whose requests the server decides about. A method that is not in this list is `Other`, so logs and
//! records never contain a name that a client made up.

use std::fmt;

use crate::primitive::List;

/// Declares the methods with their names.
macro_rules! methods {
    ($($variant:ident $name:literal)*) => {
        /// A method whose requests the server decides about.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) enum Method {
            $($variant,)*
            /// A method that uses no tool, no prompt and no resource, or a method that does not exist.
            Other,
        }

        impl Method {
            /// Returns the method with this name.
            pub(super) fn of(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// Returns true if metrics count a request of this method as a call. A completion counts as a call of its prompt
            /// or resource.
            pub(super) fn is_call(self) -> bool {
                matches!(
                    self,
                    Self::CallTool | Self::Complete | Self::GetPrompt | Self::ReadResource
                )
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other => "other",
                }
            }
        }
    };
}

methods! {
    CallTool "tools/call"
    CancelTask "tasks/cancel"
    Complete "completion/complete"
    GetPrompt "prompts/get"
    GetTask "tasks/get"
    ListPrompts "prompts/list"
    ListResources "resources/list"
    ListTemplates "resources/templates/list"
    ListTools "tools/list"
    Listen "subscriptions/listen"
    ReadResource "resources/read"
    Subscribe "resources/subscribe"
    TaskChanged "notifications/tasks"
    Updated "notifications/resources/updated"
    UpdateTask "tasks/update"
}

impl From<List> for Method {
    fn from(list: List) -> Self {
        match list {
            List::Prompts => Self::ListPrompts,
            List::Resources => Self::ListResources,
            List::Templates => Self::ListTemplates,
            List::Tools => Self::ListTools,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
