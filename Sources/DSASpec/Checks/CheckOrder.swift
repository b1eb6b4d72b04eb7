/// The checks of a descriptor by what they look at: the rows of table 3.2 of the device reference that no other row
/// must precede. What breaks rules of several groups is reported by the first that is checked.
public enum CheckGroup: UInt8, CaseIterable, Hashable, Sendable, BitwiseCopyable {
    /// The operation is supported and may stand where it does.
    case operation
    /// Flags that are not defined, not permitted, or missing.
    case flags
    /// Bytes that are reserved, always or by flags.
    case reservedFields
    /// The Completion Interrupt Handle.
    case interruptHandle
    /// The TC selectors of the operation's addresses.
    case trafficClass
    /// Transfer Size and Descriptor Count.
    case size
    /// The sizes of delta records.
    case deltaRecordSize
    /// Alignment of addresses, and of the sizes that are aligned with them.
    case alignment
    /// Buffers that may not overlap.
    case overlap
}

/// In which order a device checks descriptors. The specification leaves it open (DSA 3.0 §5.4).
///
/// Whether the privilege and the record's own address are valid is checked before all groups, whatever the order: no
/// other error can be put into a record that must not be written (dsa-device §3.2).
public struct CheckOrder: Sendable, BitwiseCopyable {
    /// Each group once.
    let groups: InlineArray<9, CheckGroup>

    /// The order of dsa-device §3.2, and of ``CheckRule``.
    public static let listed = Self(groups: [
        .operation, .flags, .reservedFields, .interruptHandle, .trafficClass, .size, .deltaRecordSize, .alignment,
        .overlap,
    ])

    /// ``listed`` from its end.
    public static let reversed = Self(groups: [
        .overlap, .alignment, .deltaRecordSize, .size, .trafficClass, .interruptHandle, .reservedFields, .flags,
        .operation,
    ])

    private init(groups: InlineArray<9, CheckGroup>) {
        self.groups = groups
    }

    /// Any other order. `nil` unless each group stands in `groups` exactly once.
    public init?(_ groups: [CheckGroup]) {
        guard groups.count == CheckGroup.allCases.count, Set(groups) == Set(CheckGroup.allCases) else { return nil }
        self.groups = InlineArray { groups[$0] }
    }

    /// What `choice` stands for.
    init(_ choice: OpenPoints.CheckOrder) {
        self = choice == .listed ? .listed : .reversed
    }
}
