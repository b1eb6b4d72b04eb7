internal import CPlatform

/// Both ends of a pipe, closed on exec. Each can be taken out.
public struct PipeEnds: ~Copyable, Sendable {
    /// Readable also when the last writer has closed its end.
    public let reader: OwnedFD
    /// Where the bytes go in.
    public let writer: OwnedFD

    /// An empty pipe.
    public init() throws(SystemError) {
        var ends: (CInt, CInt) = (-1, -1)
        let result = unsafe withUnsafeMutableBytes(of: &ends) {
            unsafe platform_pipe($0.assumingMemoryBound(to: CInt.self).baseAddress)
        }
        guard result == 0 else { throw .last("pipe2") }
        reader = OwnedFD(adopting: ends.0)
        writer = OwnedFD(adopting: ends.1)
    }
}

extension OwnedFD {
    /// Whether the file gives capabilities to who executes it (capabilities(7), "File capabilities").
    public var hasFileCapabilities: Bool { platform_has_capabilities(rawValue) == 1 }
}
