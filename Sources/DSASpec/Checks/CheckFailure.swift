/// One rule that a descriptor breaks, and where.
public struct CheckFailure: Hashable, Sendable, BitwiseCopyable {
    /// The rule that is broken.
    public let rule: CheckRule
    /// The flags that break this rule, or that it misses. Empty unless the status is 0x11.
    public let flags: DescriptorFlags
    /// Every invalid flag of the descriptor, whichever rule it breaks: the record's Invalid Flags. Empty unless the
    /// status is 0x11.
    public let invalidFlags: DescriptorFlags
    private let firstByte: UInt8
    private let lastByte: UInt8

    init(_ rule: CheckRule, flags: UInt32 = 0, invalidFlags: UInt32 = 0, bytes: ClosedRange<UInt8>) {
        self.rule = rule
        self.flags = DescriptorFlags(rawValue: flags)
        self.invalidFlags = DescriptorFlags(rawValue: invalidFlags)
        firstByte = bytes.lowerBound
        lastByte = bytes.upperBound
    }

    /// The descriptor's bytes that break the rule, 0 to 63.
    public var bytes: ClosedRange<UInt8> { firstByte...lastByte }

    /// What the completion record, or SWERROR, reports.
    public var status: CompletionStatus { rule.status }

    /// Whether the failure goes to SWERROR even when CRAV is 1: the record cannot be written (dsa-device §3.2).
    public var bypassesRecord: Bool {
        status.bypassesRecord || rule == .completionRecordTrafficClass
    }
}
