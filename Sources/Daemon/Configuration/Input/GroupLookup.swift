internal import Glibc
internal import Platform

extension GroupID {
    /// A group by its number or its name in the group database.
    ///
    /// - Returns: `nil` when there is no such group.
    static func find(_ text: String) throws(SystemError) -> GroupID? {
        if text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            // The last number stands for "no group" in chown(2).
            return UInt32(text).flatMap { $0 < UInt32.max ? GroupID(rawValue: $0) : nil }
        }
        var buffer = [CChar](repeating: 0, count: 1 << 12)
        while true {
            var entry = unsafe group()
            var found: UnsafeMutablePointer<group>?
            switch unsafe getgrnam_r(text, &entry, &buffer, buffer.count, &found) {
            case 0, ENOENT, ESRCH:
                return unsafe found == nil ? nil : GroupID(rawValue: entry.gr_gid)
            case ERANGE where buffer.count < 1 << 20:
                // A group with many members.
                buffer = [CChar](repeating: 0, count: 4 * buffer.count)
            case EINTR:
                continue
            case let code:
                throw SystemError(operation: "getgrnam_r", code: code, context: text)
            }
        }
    }
}
