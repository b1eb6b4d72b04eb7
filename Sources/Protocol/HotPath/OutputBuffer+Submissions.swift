/// The replies of the submission instructions in the cases that are worth the speed. They say exactly what
/// `append(_:id:)` says of the same `SubmissionReturn`.
extension OutputBuffer {
    /// ENQCMD or ENQCMDS: the descriptor was accepted. `id` are the bytes of the request's id in `text`, if any.
    @inline(__always)
    public mutating func appendAccepted(id: Range<Int>, in text: Span<UInt8>) {
        appendReply("{\"return\": {\"zf\": false}", id, text)
    }

    /// ENQCMD or ENQCMDS: Retry, without VM exit.
    @inline(__always)
    public mutating func appendRetry(id: Range<Int>, in text: Span<UInt8>) {
        appendReply("{\"return\": {\"zf\": true, \"rflags\": \"0x42\"}", id, text)
    }

    /// MOVDIR64B: the write is on its way.
    @inline(__always)
    public mutating func appendPosted(id: Range<Int>, in text: Span<UInt8>) {
        appendReply("{\"return\": {}", id, text)
    }

    @inline(__always)
    private mutating func appendReply(_ head: StaticString, _ id: Range<Int>, _ text: Span<UInt8>) {
        if id.isEmpty {
            append(head, "}\n")
        } else {
            append(head, ", \"id\": ", text.extracting(id), "}\n")
        }
    }
}
