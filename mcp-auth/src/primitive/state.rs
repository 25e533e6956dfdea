//! The application's own state. The application sets the state once, and functions take it as `&State<T>`.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::notifier::Notifier;

/// State that the application gave to the server. It dereferences to the value. Clones share the
/// same value.
///
/// `Debug` prints only the type, because state may contain secrets.
///
/// ```
/// use mcp_auth::State;
///
/// struct Greeting(&'static str);
///
/// /// Greet somebody.
/// #[mcp_auth::mcp_tool]
/// async fn greet(name: String, greeting: &State<Greeting>) -> String {
///     format!("{} {name}", greeting.0)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // In a unit test, call the function directly.
/// assert_eq!(greet("Ada".into(), &State::new(Greeting("Hello"))).await, "Hello Ada");
/// # });
/// ```
pub struct State<T: Send + Sync + 'static>(Arc<T>);

impl<T: Send + Sync + 'static> State<T> {
    /// Wraps a value. The server wraps the values of `serve!(state = …)`. A test may wrap its own values.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: Send + Sync + 'static> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for State<T> {
    /// Prints only the type, because state may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State<{}>", type_name::<T>())
    }
}

/// The types of state that the parameters of a function need.
#[derive(Debug, Default)]
pub struct RequiredState {
    states: Vec<(TypeId, &'static str)>,
}

impl RequiredState {
    /// Adds a [`State<T>`](State).
    pub fn state<T: Send + Sync + 'static>(&mut self) {
        self.states
            .push((TypeId::of::<State<T>>(), type_name::<T>()));
    }

    /// Returns the name of the first needed type that `given` does not have.
    pub(crate) fn missing_from(&self, given: &States) -> Option<&'static str> {
        self.states
            .iter()
            .find(|(id, _)| !given.values.contains_key(id))
            .map(|(_, name)| *name)
    }
}

/// The state of a server, with at most one value of each type, and the server's notifier.
#[derive(Default)]
pub(crate) struct States {
    values: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    pub(crate) notifier: Notifier,
}

impl States {
    /// Adds a value. Returns `false` if the state already has a value of this type.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        self.values
            .insert(TypeId::of::<State<T>>(), Box::new(State::new(value)))
            .is_none()
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<&State<T>> {
        self.values.get(&TypeId::of::<State<T>>())?.downcast_ref()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.values.len())
    }
}
