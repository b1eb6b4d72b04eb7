internal import Protocol

/// An object of a layout file whose members were checked by name, and where in the file it stands.
struct LayoutObject {
    let file: String
    /// Such as `[0].groups[1]`.
    let path: String
    private let members: [String: JSONValue]

    /// Takes an element of the file.
    ///
    /// - Parameter known: The members that the format has at this place, whether they mean something here or not.
    init(_ element: LayoutElement, known: Set<String>) throws(ConfigurationError) {
        file = element.file
        path = element.path
        guard case .object(let given) = element.value else { throw element.refused("is not an object") }
        var members: [String: JSONValue] = [:]
        for member in given {
            let source = SettingSource.member(file: file, path: "\(path).\(member.name)")
            guard known.contains(member.name) else {
                throw ConfigurationError(
                    source, "is unknown; accepted here are \(known.sorted().joined(separator: ", "))")
            }
            guard members.updateValue(member.value, forKey: member.name) == nil else {
                throw ConfigurationError(source, "is given twice; give it once")
            }
        }
        self.members = members
    }

    func has(_ name: String) -> Bool { members[name] != nil }

    /// The error that a member is.
    func refused(_ name: String, _ problem: String) -> ConfigurationError {
        ConfigurationError(.member(file: file, path: "\(path).\(name)"), problem)
    }

    /// A string.
    func text(_ name: String) throws(ConfigurationError) -> String? {
        guard let value = members[name] else { return nil }
        guard let text = value.text else { throw refused(name, "is \(value.description); a string is accepted") }
        return text
    }

    /// A string that must be there.
    func requiredText(_ name: String) throws(ConfigurationError) -> String {
        guard let text = try text(name) else { throw refused(name, "is missing; it is required") }
        return text
    }

    /// One of some strings.
    func choice(_ name: String, of choices: [String]) throws(ConfigurationError) -> String? {
        guard let text = try text(name) else { return nil }
        guard choices.contains(text) else {
            throw refused(name, "is \"\(text)\"; accepted are \(choices.joined(separator: ", "))")
        }
        return text
    }

    /// A whole number.
    ///
    /// - Parameter reason: Why the range is as it is, where the range alone does not say it.
    @discardableResult
    func integer(
        _ name: String, in range: ClosedRange<Int>, because reason: String? = nil
    ) throws(ConfigurationError) -> Int? {
        guard let value = members[name] else { return nil }
        guard case .number(let digits) = value, let number = Int(digits), range.contains(number) else {
            let accepted =
                range.count == 1
                ? "\(range.lowerBound) is accepted" : "\(range.lowerBound) to \(range.upperBound) is accepted"
            throw refused(name, "is \(value.description); \(accepted)\(reason.map { ": " + $0 } ?? "")")
        }
        return number
    }

    /// A whole number that has had several names, of which one is given.
    func integer(
        _ names: [String], in range: ClosedRange<Int>, because reason: String? = nil
    ) throws(ConfigurationError) -> Int? {
        var found: (name: String, number: Int)?
        for name in names {
            guard let number = try integer(name, in: range, because: reason) else { continue }
            if let found { throw refused(name, "is another name of \(found.name), which is given too; give one") }
            found = (name, number)
        }
        return found?.number
    }

    /// A whole number that must be there.
    func requiredInteger(
        _ name: String, in range: ClosedRange<Int>, because reason: String? = nil
    ) throws(ConfigurationError) -> Int {
        guard let number = try integer(name, in: range, because: reason) else {
            throw refused(name, "is missing; \(range.lowerBound) to \(range.upperBound) is accepted")
        }
        return number
    }

    /// The elements of an array; none when it is not there.
    func elements(_ name: String) throws(ConfigurationError) -> [LayoutElement] {
        guard let value = members[name] else { return [] }
        return try LayoutElement(value: value, file: file, path: "\(path).\(name)").elements()
    }
}

/// A value of a layout file and where it stands.
struct LayoutElement {
    let value: JSONValue
    let file: String
    let path: String

    /// The elements of an array.
    func elements() throws(ConfigurationError) -> [LayoutElement] {
        guard case .array(let values) = value else { throw refused("is not an array") }
        return values.enumerated().map { LayoutElement(value: $1, file: file, path: "\(path)[\($0)]") }
    }

    /// The error that this value is.
    func refused(_ problem: String) -> ConfigurationError {
        ConfigurationError(.member(file: file, path: path), problem)
    }
}
