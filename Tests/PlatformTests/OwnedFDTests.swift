import Platform
import Testing

@Suite struct `Owned descriptor` {
    @Test func `A descriptor is closed when its value ends`() throws {
        var line = try LifeLine()
        do {
            let number = line.number
            let copy = try OwnedFD(adopting: number).duplicatedAndReleased()
            line.letGo()
            #expect(!line.isCut == true)
            _ = consume copy
        }
        let isCut = line.isCut
        #expect(isCut)
    }

    @Test func `A released descriptor stays open`() throws {
        var line = try LifeLine()
        let copy = try OwnedFD(adopting: line.number).duplicatedAndReleased()
        line.letGo()
        let number = copy.release()
        let wasCut = line.isCut
        #expect(!wasCut)
        _ = OwnedFD(adopting: number)
        let isCut = line.isCut
        #expect(isCut)
    }
}

extension OwnedFD {
    /// A duplicate of a descriptor that stays with its owner.
    fileprivate consuming func duplicatedAndReleased() throws -> OwnedFD {
        let copy = try duplicate()
        _ = release()
        return copy
    }
}
