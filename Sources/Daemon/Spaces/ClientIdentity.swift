internal import Platform

/// Whose objects a connection may name.
enum ClientIdentity: Hashable {
    /// A local user, as the kernel told at connect.
    case user(UserID)
    /// Whoever knows the token of the TCP listener.
    case tokenHolder
}
