extension DescriptorCase {
    /// Cases that are simpler than this one in one respect.
    private var simplifications: [DescriptorCase] {
        var simpler: [DescriptorCase] = []
        func add(_ change: (inout DescriptorCase) -> Void) {
            var changed = self
            change(&changed)
            simpler.append(changed)
        }
        for index in pages.indices { add { $0.pages.remove(at: index) } }
        for index in presets.indices { add { $0.presets.remove(at: index) } }
        if descriptor.size > 1 {
            add { $0.descriptor.size /= 2 }
            add { $0.descriptor.size -= 1 }
        }
        for bit in 0..<24 where descriptor.hasFlag(bit) { add { $0.descriptor.flags &= ~(1 << UInt32(bit)) } }
        for offset in 8..<64 where descriptor.bytes[offset] != 0 && !(32..<36).contains(offset) {
            add { $0.descriptor.bytes[offset] = 0 }
        }
        return simpler
    }

    /// A case that still fails and that none of the simplifications makes simpler.
    package func shrunk(while fails: (DescriptorCase) -> Bool) -> DescriptorCase {
        var smallest = self
        var attempts = 0
        search: while attempts < 5000 {
            for candidate in smallest.simplifications {
                attempts += 1
                if fails(candidate) {
                    smallest = candidate
                    continue search
                }
            }
            return smallest
        }
        return smallest
    }
}
