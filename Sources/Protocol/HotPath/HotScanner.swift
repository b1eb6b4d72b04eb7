internal import CProtocol

/// Reads `enqcmd`, `enqcmds` and `movdir64b` requests in one pass over their bytes, without framing them first.
///
/// It accepts a subset of what `RequestEnvelope` accepts, and with the same meaning: members in any order, spaces
/// between tokens, an id that is a whole number or a plain ASCII string. Whatever else it meets (another command, an
/// escape sequence, an unknown, missing or second member, the end of the bytes) makes it return false, and the general
/// decoder has the last word. `HotScannerTests` hold the two together on random and mutated lines.
///
/// The words are assembled for a little-endian machine, as DSA demands.
///
/// Audit. All pointers of this file come from `Span.withUnsafeBytes` and stay inside that call. `Reader.next` never
/// passes `Reader.end`: each load of n bytes follows a check that n bytes are left; `cp_decode_descriptor` loads its
/// `CP_DESCRIPTOR_CHARACTERS` and nothing else.
public enum HotScanner {
    /// Longest id, in bytes, that is read here.
    static let idBytesMax = 64

    /// Reads the request that begins at `start` exactly, into `request`. On false `request` is not meaningful.
    @inline(__always)
    public static func scan(_ bytes: Span<UInt8>, from start: Int, into request: inout HotRequest) -> Bool {
        unsafe bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return false }
            var reader = unsafe Reader(next: base + start, end: base + buffer.count)
            guard unsafe reader.request(into: &request, base: base) else { return false }
            request.end = unsafe reader.next - base
            return true
        }
    }
}

/// A bounded position in the bytes of one `scan`.
@safe
private struct Reader {
    var next: UnsafeRawPointer
    let end: UnsafeRawPointer

    /// Members of the request seen so far.
    private struct Seen: OptionSet {
        let rawValue: UInt8
        static let execute = Seen(rawValue: 1)
        static let arguments = Seen(rawValue: 2)
        static let id = Seen(rawValue: 4)
        static let destination = Seen(rawValue: 8)
        static let descriptor = Seen(rawValue: 16)
        static let source = Seen(rawValue: 32)
    }

    init(next: UnsafeRawPointer, end: UnsafeRawPointer) {
        unsafe self.next = unsafe next
        unsafe self.end = unsafe end
    }

    mutating func request(into request: inout HotRequest, base: UnsafeRawPointer) -> Bool {
        guard byte(.leftBrace) else { return false }
        request.idStart = 0
        request.idEnd = 0
        var seen: Seen = []
        repeat {
            skipSpaces()
            guard unsafe end - next >= 8 else { return false }
            let head = unsafe next.loadUnaligned(as: UInt64.self)
            if head == Self.eight("\"execute") {
                guard seen.insert(.execute).inserted, name(endsWith: "\""), instruction(into: &request)
                else { return false }
            } else if head == Self.eight("\"argumen") {
                guard seen.insert(.arguments).inserted, name(endsWith: "ts\""),
                    arguments(into: &request, &seen)
                else { return false }
            } else {
                guard name("\"id\""), seen.insert(.id).inserted else { return false }
                request.idStart = unsafe next - base
                guard identifier() else { return false }
                request.idEnd = unsafe next - base
            }
            skipSpaces()
        } while byte(.comma)
        return byte(.rightBrace) && seen.isSuperset(of: [.execute, .arguments])
    }

    private mutating func instruction(into request: inout HotRequest) -> Bool {
        if word("\"enqcmd\"") {
            request.instruction = .enqcmd
        } else if word("\"enqcmds\"") {
            request.instruction = .enqcmds
        } else if word("\"movdir64b\"") {
            request.instruction = .movdir64b
        } else {
            return false
        }
        return true
    }

    private mutating func arguments(into request: inout HotRequest, _ seen: inout Seen) -> Bool {
        guard byte(.leftBrace) else { return false }
        repeat {
            skipSpaces()
            guard unsafe end - next >= 8 else { return false }
            let head = unsafe next.loadUnaligned(as: UInt64.self)
            if head == Self.eight("\"destina") {
                guard seen.insert(.destination).inserted, name(endsWith: "tion\""),
                    address(into: &request.destination)
                else { return false }
            } else if head == Self.eight("\"descrip") {
                guard seen.insert(.descriptor).inserted, name(endsWith: "tor\""),
                    descriptor(into: &request)
                else { return false }
            } else {
                guard name("\"source\""), seen.insert(.source).inserted,
                    address(into: &request.source)
                else { return false }
            }
            skipSpaces()
        } while byte(.comma)
        request.loadsSource = seen.contains(.source)
        return byte(.rightBrace) && seen.contains(.destination)
            && seen.contains(.descriptor) != seen.contains(.source)
    }

    /// A string `"0x..."` of 1 to 16 digits.
    private mutating func address(into address: inout UInt64) -> Bool {
        guard word("\"0x") else { return false }
        var value: UInt64 = 0
        let start = unsafe next
        while unsafe next < end {
            // Without a branch on the kind of digit, which no predictor can guess.
            let character = unsafe next.load(as: UInt8.self)
            let decimal = character &- .zero
            let letter = (character | 0x20) &- UInt8(ascii: "a")
            guard decimal < 10 || letter < 6 else { break }
            value = value << 4 | UInt64(decimal < 10 ? decimal : letter &+ 10)
            unsafe next += 1
        }
        address = value
        return unsafe (1...Hexadecimal.digitsMax).contains(next - start) && byte(.quote)
    }

    /// A string of 88 characters of base64 that stand for 64 bytes.
    private mutating func descriptor(into request: inout HotRequest) -> Bool {
        let count = Int(CP_DESCRIPTOR_CHARACTERS)
        guard unsafe end - next >= count + 2, byte(.quote) else { return false }
        let start = unsafe next
        let isDescriptor = unsafe withUnsafeMutableBytes(of: &request.descriptor) { words in
            unsafe cp_decode_descriptor(start, words.baseAddress?.assumingMemoryBound(to: UInt64.self))
        }
        unsafe next += count
        return isDescriptor && byte(.quote)
    }

    /// A whole number, or a string of printable ASCII without escape sequences.
    private mutating func identifier() -> Bool {
        let limit = unsafe min(end - next, HotScanner.idBytesMax)
        var length = 0
        guard limit > 0 else { return false }
        if unsafe next.load(as: UInt8.self) == .quote {
            length = 1
            while length < limit {
                let character = unsafe next.load(fromByteOffset: length, as: UInt8.self)
                length += 1
                if character == .quote {
                    unsafe next += length
                    return true
                }
                guard (0x20...0x7e).contains(character), character != .backslash else { return false }
            }
            return false
        }
        let isNegative = byte(.minus)
        if isNegative, limit == 1 { return false }
        let digits = isNegative ? limit - 1 : limit
        while length < digits,
            (UInt8.zero ... .nine).contains(unsafe next.load(fromByteOffset: length, as: UInt8.self))
        {
            length += 1
        }
        guard length > 0, length < digits else { return false }
        if length > 1, unsafe next.load(as: UInt8.self) == .zero { return false }
        // A fraction, an exponent or a letter is for the general decoder.
        switch unsafe next.load(fromByteOffset: length, as: UInt8.self) {
        case .space, .tab, .comma, .rightBrace: break
        default: return false
        }
        unsafe next += length
        return true
    }

    /// The end of a member's name whose first eight characters have been compared, the colon and the spaces around it.
    @inline(__always)
    private mutating func name(endsWith text: StaticString) -> Bool {
        unsafe next += 8
        return name(text)
    }

    /// A member's name with its quotes, the colon and the spaces around it.
    @inline(__always)
    private mutating func name(_ text: StaticString) -> Bool {
        guard word(text) else { return false }
        skipSpaces()
        guard byte(.colon) else { return false }
        skipSpaces()
        return true
    }

    @inline(__always)
    private mutating func word(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard unsafe end - next >= count else { return false }
        for index in 0..<count
        where unsafe next.load(fromByteOffset: index, as: UInt8.self) != text.utf8Start[index] { return false }
        unsafe next += count
        return true
    }

    @inline(__always)
    private mutating func byte(_ wanted: UInt8) -> Bool {
        guard unsafe next < end, unsafe next.load(as: UInt8.self) == wanted else { return false }
        unsafe next += 1
        return true
    }

    @inline(__always)
    private mutating func skipSpaces() {
        while unsafe next < end, unsafe next.load(as: UInt8.self) == .space { unsafe next += 1 }
    }

    /// Eight characters as they load.
    @inline(__always)
    private static func eight(_ text: StaticString) -> UInt64 {
        unsafe UnsafeRawPointer(text.utf8Start).loadUnaligned(as: UInt64.self)
    }
}
