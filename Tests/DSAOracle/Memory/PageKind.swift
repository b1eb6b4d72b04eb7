/// What stands behind a linear page.
package enum PageKind: UInt8, CaseIterable, Sendable {
    /// No translation.
    case absent
    case readOnly
    case readWrite
    /// No user request is permitted.
    case supervisorReadOnly
    case supervisorReadWrite
    /// Translated, to what is not memory.
    case noMemory
}

/// Why an access cannot be made.
package enum Refusal: Sendable {
    /// No translation, or not the permission (dsa-device §5.1).
    case pageFault
    /// Bits 63:47 of the address are not all the same.
    case nonCanonical
    /// The PASID has no translation at all.
    case unboundPASID
    /// Nothing answers at the translated address.
    case noMemory
}
