extension DIFFlags {
    /// The size of a block, then the flags that are set.
    var names: [String] {
        ["blocks of \(blockByteCount)"]
            + setNames([2: "Invert CRC Seed", 3: "Invert CRC Result"], rawValue & 0xFC)
    }
}

extension SourceDIFFlags {
    /// The flags that are set, from bit 0 up.
    var names: [String] {
        setNames(
            [
                0: "Enable All-F Error", 1: "All F Detect", 2: "Application Tag F Detect",
                3: "Application and Reference Tag F Detect", 4: "Application Tag Incrementing",
                5: "Guard Check Disable", 6: "Reference Tag Check Disable", 7: "Reference Tag Fixed",
            ], rawValue)
    }
}

extension DestinationDIFFlags {
    /// The flags that are set, from bit 0 up.
    var names: [String] {
        setNames(
            [
                3: "Application Tag Pass-through", 4: "Application Tag Incrementing", 5: "Guard Pass-through",
                6: "Reference Tag Pass-through", 7: "Reference Tag Fixed",
            ], rawValue)
    }
}

extension DIFStatus {
    /// What failed, from bit 0 up.
    var names: [String] {
        setNames([0: "Guard", 1: "Application Tag", 2: "Reference Tag", 3: "All-F"], rawValue)
    }
}

/// The names of the bits that are 1; a bit without a name is `bit N`.
private func setNames(_ names: [Int: String], _ bits: UInt8) -> [String] {
    (0..<8).filter { bits >> UInt8($0) & 1 == 1 }.map { names[$0] ?? "bit \($0)" }
}
