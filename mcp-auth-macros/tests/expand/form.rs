/// A booking.
#[derive(Debug)]
pub struct Booking {
    /// The date of arrival.
    first_day: String,
    guests: u8,
    r#kinds: Option<Vec<Room>>,
}
#[doc(hidden)]
const _: () = {
    use crate::framework::__private as __private;
    #[automatically_derived]
    impl __private::Form for Booking {
        fn fill_in(
            fields: &mut __private::FormFields<'_>,
        ) -> ::core::option::Option<Self> {
            let field_0 = fields
                .field::<
                    String,
                >(
                    "firstDay",
                    "The date of arrival.",
                    |property| property.title("Arrival").format("date"),
                );
            let field_1 = fields
                .field::<
                    u8,
                >("guests", "", |property| property.min(1).max(6).default(&2));
            let field_2 = fields
                .field::<
                    Option<Vec<Room>>,
                >("rooms", "", |property| property.min_items(1).default(&[Room::Sea]));
            ::core::option::Option::Some(Self {
                first_day: field_0?,
                guests: field_1?,
                r#kinds: field_2?,
            })
        }
    }
};
