internal import Platform

/// What a client on TCP must know: the content of the token file without surrounding white space.
package struct AccessToken: Hashable, Sendable, CustomStringConvertible {
    /// The most characters that `authenticate` accepts.
    private static let characterCountMax = 4096
    /// The longest file that is looked at: a longest token of 4-byte characters, and as much white space around it.
    private static let fileByteCountMax = 8 * characterCountMax

    /// The token as UTF-8. A secret: it belongs into no log and no error.
    package let bytes: [UInt8]

    /// Names the length only.
    package var description: String { "token of \(bytes.count) bytes" }

    /// Reads a token file: a regular one, of the daemon's user or of root, to which nobody else has access.
    static func read(_ path: Setting<String>, user: UserID) throws(ConfigurationError) -> AccessToken {
        let status: InputFile.Status
        let contents: [UInt8]
        do throws(SystemError) {
            let file = try InputFile(path.value)
            status = try file.status()
            contents = status.isRegular ? try file.contents(byteCountMax: fileByteCountMax) : []
        } catch {
            throw path.refused("\(error)")
        }
        if let problem = problem(of: status, user: user) { throw path.refused("\(path.value) \(problem)") }
        return try token(in: contents, of: path)
    }

    private static func problem(of status: InputFile.Status, user: UserID) -> String? {
        guard status.isRegular else { return "is not a regular file" }
        guard status.owner == user || status.owner.rawValue == 0 else {
            return "belongs to user \(status.owner); it must belong to the daemon's user, \(user), or to root"
        }
        guard status.mode & 0o077 == 0 else {
            return "has mode 0\(String(status.mode, radix: 8)); group and others must have no access: set 0600"
        }
        return nil
    }

    private static func token(in contents: [UInt8], of path: Setting<String>) throws(ConfigurationError) -> AccessToken
    {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        let start = contents.firstIndex { !isSpace($0) } ?? contents.endIndex
        let end = contents.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start
        let bytes = Array(contents[start..<end])
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw path.refused("\(path.value) is not UTF-8 text without NUL")
        }
        let count = text.unicodeScalars.count
        guard (1...characterCountMax).contains(count) else {
            throw path.refused(
                "\(path.value) holds \(count) characters without surrounding white space; "
                    + "1 to \(characterCountMax) are accepted")
        }
        return AccessToken(bytes: bytes)
    }
}
