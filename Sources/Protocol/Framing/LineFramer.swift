/// Cuts a stream of bytes into requests. One per connection.
///
/// A request ends at a line feed or at the brace that closes its top-level object, whichever comes first, so that
/// clients that send no line feed are served. White space between requests is skipped. What does not begin with a brace
/// ends at a line feed. The framer remembers how far it has looked: a request that arrives in pieces is scanned once.
///
/// The caller keeps the bytes. It calls `next` with all bytes that it has not dropped, until the outcome is
/// `.incomplete`; then it drops the first `dropConsumed()` bytes, appends what it reads and calls again.
public struct LineFramer: Sendable {
    /// What `next` found.
    public enum Outcome: Equatable, Sendable {
        /// A request, valid UTF-8, at these offsets.
        case request(Range<Int>)
        /// A submission, understood already: its operands are in the `HotRequest` given to `next`.
        case hot
        /// A line that is no request. The framer goes on behind it.
        case failure(FramingFailure)
        /// No further request is complete.
        case incomplete
    }

    /// Longest request, in bytes.
    public let lineBytesMax: Int

    /// Offset of the first byte that belongs to no yielded request.
    private var consumed = 0

    /// Offset up to which the open request has been looked at.
    private var scanned = 0

    /// Objects open at `scanned`.
    private var depth = 0

    private var state = State.between

    private enum State {
        /// Between requests.
        case between
        /// In an object, outside strings.
        case object
        /// In a string of an object.
        case string
        /// Behind a backslash in such a string.
        case escape
        /// In a line that does not begin with a brace.
        case line
        /// In a request that is too long; it ends at a line feed.
        case discarding
    }

    /// A framer at the start of a stream, for requests of at most `lineBytesMax` bytes.
    public init(lineBytesMax: Int) {
        self.lineBytesMax = lineBytesMax
    }

    /// Nothing of a request has been read yet.
    public var isBetweenRequests: Bool {
        switch state {
        case .between: true
        case .object, .string, .escape, .line, .discarding: false
        }
    }

    /// Number of bytes at the front that are done with. The caller must drop exactly these.
    public mutating func dropConsumed() -> Int {
        let count = consumed
        consumed = 0
        scanned -= count
        return count
    }

    /// The next request in `bytes`.
    public mutating func next(in bytes: Span<UInt8>) -> Outcome {
        skipSeparators(bytes)
        return scan(bytes)
    }

    /// The next request in `bytes`. A submission that the scanner recognises is left in `hot`, its offsets counted from
    /// the start of `bytes`.
    public mutating func next(in bytes: Span<UInt8>, hot: inout HotRequest) -> Outcome {
        skipSeparators(bytes)
        if case .between = state, consumed < bytes.count {
            guard HotScanner.scan(bytes, from: consumed, into: &hot), hot.end - consumed <= lineBytesMax else {
                return scan(bytes)
            }
            consumed = hot.end
            scanned = consumed
            return .hot
        }
        // A submission that arrived in pieces has been framed; its bytes are together now.
        let outcome = scan(bytes)
        if case .request(let range) = outcome, HotScanner.scan(bytes, from: range.lowerBound, into: &hot),
            hot.end == range.upperBound
        {
            return .hot
        }
        return outcome
    }

    private mutating func skipSeparators(_ bytes: Span<UInt8>) {
        guard case .between = state else { return }
        while consumed < bytes.count {
            switch bytes[consumed] {
            case .space, .tab, .lineFeed, .carriageReturn: consumed += 1
            default:
                scanned = consumed
                return
            }
        }
        scanned = consumed
    }

    private mutating func scan(_ bytes: Span<UInt8>) -> Outcome {
        while scanned < bytes.count {
            let byte = bytes[scanned]
            scanned += 1
            switch state {
            case .between:
                state = byte == .leftBrace ? .object : .line
                depth = 1
            case .object:
                switch byte {
                case .leftBrace: depth += 1
                case .rightBrace:
                    depth -= 1
                    if depth == 0 { return complete(bytes, upTo: scanned) }
                case .quote: state = .string
                case .lineFeed: return fail(.lineFeedInsideObject)
                default: break
                }
            case .string:
                switch byte {
                case .quote: state = .object
                case .backslash: state = .escape
                case .lineFeed: return fail(.lineFeedInsideObject)
                default: break
                }
            case .escape:
                if byte == .lineFeed { return fail(.lineFeedInsideObject) }
                state = .string
            case .line:
                if byte == .lineFeed { return complete(bytes, upTo: scanned - 1) }
            case .discarding:
                consumed = scanned
                if byte == .lineFeed {
                    state = .between
                    return next(in: bytes)
                }
            }
            if scanned - consumed > lineBytesMax {
                consumed = scanned
                state = byte == .lineFeed ? .between : .discarding
                return .failure(.lineTooLong(limit: lineBytesMax))
            }
        }
        return .incomplete
    }

    /// Ends the open request at `end`.
    private mutating func complete(_ bytes: Span<UInt8>, upTo end: Int) -> Outcome {
        let range = consumed..<end
        consumed = scanned
        state = .between
        guard range.count <= lineBytesMax else { return .failure(.lineTooLong(limit: lineBytesMax)) }
        do {
            _ = try UTF8Span(validating: bytes.extracting(range))
        } catch {
            return .failure(.invalidUTF8(offset: error.byteOffsets.lowerBound))
        }
        return .request(range)
    }

    /// Gives the open request up at the line feed just read.
    private mutating func fail(_ failure: FramingFailure) -> Outcome {
        consumed = scanned
        state = .between
        return .failure(failure)
    }
}

/// Why a line is no request.
public enum FramingFailure: Error, Equatable, Sendable {
    /// Longer than `limit` bytes. The rest is discarded up to the next line feed.
    case lineTooLong(limit: Int)
    /// A line feed inside an open object: the client lost count of its braces.
    case lineFeedInsideObject
    /// Not UTF-8, first at `offset` from the start of the request.
    case invalidUTF8(offset: Int)
}
