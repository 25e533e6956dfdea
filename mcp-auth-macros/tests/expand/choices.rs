enum Room {
    /// With a view of the sea.
    Sea,
    BackYard,
}
#[doc(hidden)]
const _: () = {
    use ::mcp_auth::__private as __private;
    #[automatically_derived]
    impl __private::FormChoice for Room {
        const CHOICES: &'static [__private::Choice<Self>] = &[
            __private::Choice::new("sea", "With a view of the sea.", || Self::Sea),
            __private::Choice::new("yard", "", || Self::BackYard),
        ];
    }
};
