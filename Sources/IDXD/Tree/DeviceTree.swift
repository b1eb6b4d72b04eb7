/// The names of a tree, and where each leads.
public struct DeviceTree: Sendable {
    /// Everything in it by its path.
    public let entries: [String: TreeEntry]
    /// A path that is longer by its links than Linux follows has a loop.
    private static let linksMax = 40

    /// An index of entries.
    public init(_ entries: [TreeEntry]) {
        self.entries = Dictionary(uniqueKeysWithValues: entries.map { ($0.path, $0) })
    }

    /// What a path below the root leads to, all links followed.
    ///
    /// - Throws: ENOENT for a name that is not there, or that goes on behind what is no directory.
    public func entry(at path: String) throws(Errno) -> TreeEntry {
        var pending = Array(path.split(separator: "/").map(String.init).reversed())
        var place: [String] = []
        var linkCount = 0
        var found: TreeEntry?
        while let name = pending.popLast() {
            switch name {
            case ".": continue
            case "..":
                if !place.isEmpty { place.removeLast() }
                found = nil
                continue
            default: break
            }
            let path = (place + [name]).joined(separator: "/")
            guard let entry = entries[path] else { throw .enoent }
            switch entry.kind {
            case .link(let target):
                linkCount += 1
                guard linkCount <= Self.linksMax else { throw .enoent }
                pending += target.split(separator: "/").map(String.init).reversed()
            case .directory:
                place.append(name)
            case .attribute, .node:
                guard pending.isEmpty else { throw .enoent }
            }
            found = entry
        }
        if let found, case .link = found.kind { return TreeEntry(place.joined(separator: "/"), .directory) }
        return found ?? TreeEntry(place.joined(separator: "/"), .directory)
    }
}
