//! A guarded module with no tools of its own: the guard covers the module inside.

mcp_auth::module_guard!(role = "admin");

mod closings;
