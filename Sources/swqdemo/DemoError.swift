/// Something that the demonstration shows did not hold, or it could not go on. The text says what, for people.
struct DemoError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// Throws unless `condition` holds.
    static func require(_ condition: Bool, _ description: @autoclosure () -> String) throws(DemoError) {
        if !condition { throw DemoError(description()) }
    }
}
