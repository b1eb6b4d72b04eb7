/// A port of this machine's loopback address: the only TCP this program speaks.
public struct LoopbackEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// Which of the two loopback addresses.
    public enum Family: Hashable, Sendable {
        /// 127.0.0.1
        case v4
        /// ::1
        case v6
    }

    /// Which loopback address.
    public let family: Family
    /// 0 lets the kernel choose a port, when listening.
    public let port: UInt16

    /// The port `port` of a loopback address.
    public init(family: Family, port: UInt16) {
        self.family = family
        self.port = port
    }

    /// Parses `127.0.0.1:PORT` or `[::1]:PORT`. Names are not resolved, not even `localhost`.
    public init(parsing text: String) throws(SocketAddressError) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { throw .malformedEndpoint(text) }
        let host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        let decimals = UInt8(ascii: "0")...UInt8(ascii: "9")
        let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { decimals.contains($0) }
        // "::1" without brackets: its last group would be read as the port.
        guard isNumber, !host.isEmpty, host.hasPrefix("[") == host.hasSuffix("]"),
            host.hasPrefix("[") || !host.contains(":")
        else { throw .malformedEndpoint(text) }
        switch host {
        case "127.0.0.1": family = .v4
        case "[::1]": family = .v6
        default: throw .notLoopback(text)
        }
        guard let port = UInt16(digits) else { throw .portOutOfRange(text) }
        self.port = port
    }

    /// `127.0.0.1:PORT` or `[::1]:PORT`, as ``init(parsing:)`` reads it.
    public var description: String {
        switch family {
        case .v4: "127.0.0.1:\(port)"
        case .v6: "[::1]:\(port)"
        }
    }
}
