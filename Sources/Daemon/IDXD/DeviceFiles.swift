internal import IDXD
internal import Logging
internal import Machine
internal import Platform

/// The driver's tree on disk: kept to what the driver says by making, removing and rewriting what differs.
final class DeviceFiles {
    private let files: FileTree
    private let ownDirectory: String?
    /// What is on disk, and where paths lead.
    private(set) var tree = DeviceTree([])
    private var entries: [TreeEntry] = []
    /// The text on disk of each attribute's file.
    private var texts: [String: [UInt8]] = [:]
    private let log: Logger
    private var hasFailed = false

    /// Makes `idxd` in a directory, and the directory if need be. Programs know the tree by that name.
    ///
    /// - Parameter isOwn: The directory is for nothing else, and goes with the tree.
    init(in directory: String, isOwn: Bool, log: Logger) throws(SystemError) {
        try Directory.create(directory, mode: 0o755)
        ownDirectory = isOwn ? directory : nil
        files = try FileTree(root: directory + "/idxd")
        self.log = log
    }

    var root: String { files.root }

    /// Makes the tree what the driver says. A failure is logged once; commands answer from the driver and not from the
    /// files, so that the worst of it is a file that is out of date.
    ///
    /// - Parameter device: The only device whose texts may have changed; `nil` for all.
    func update(_ driver: Driver, _ machine: borrowing Machine, device: Int? = nil) {
        do throws(SystemError) {
            let wanted = driver.entries()
            if wanted != entries { try replaceEntries(by: wanted) }
            for entry in wanted {
                guard case .attribute(let reference, let access) = entry.kind else { continue }
                if let device, let other = driver.device(concernedBy: reference, bytes: []), other != device {
                    continue
                }
                let text = (try? driver.show(reference, machine)) ?? []
                guard texts[entry.path] != text else { continue }
                try files.write(text, to: entry.path, mode: UInt32(access.rawValue))
                texts[entry.path] = text
            }
            hasFailed = false
        } catch {
            if !hasFailed { log.error("the tree of the devices is out of date", metadata: ["error": "\(error)"]) }
            hasFailed = true
        }
    }

    private func replaceEntries(by wanted: [TreeEntry]) throws(SystemError) {
        let (old, new) = (Set(entries), Set(wanted))
        // What is in a directory goes before it.
        for entry in entries.reversed() where !new.contains(entry) {
            try files.removeEntry(entry.path)
            texts[entry.path] = nil
        }
        for entry in wanted where !old.contains(entry) {
            switch entry.kind {
            case .directory: try files.makeDirectory(entry.path)
            case .link(let target): try files.makeLink(entry.path, to: target)
            case .node: try files.write([], to: entry.path, mode: 0o600)
            case .attribute: break
            }
        }
        entries = wanted
        tree = DeviceTree(wanted)
    }

    /// Whether a client may do this with what is at a path.
    func allow(_ access: FilePermissions.Access, _ path: String, _ session: Session) -> Bool {
        guard let permissions = try? files.permissions(of: path) else { return false }
        let user = session.credentials?.user
        let isRoot = user.map { $0.rawValue == 0 || $0 == UserID.current } ?? false
        return permissions.allow(access, user: user, group: session.credentials?.group, isRoot: isRoot)
    }

    func remove() {
        do throws(SystemError) {
            try files.remove()
            if let ownDirectory { try Directory.remove(ownDirectory) }
        } catch {
            log.warning("the tree of the devices stays", metadata: ["error": "\(error)"])
        }
    }
}
