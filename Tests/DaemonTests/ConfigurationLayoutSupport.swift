/// Pieces of layout files as `accel-config save-config` writes them.
enum LayoutText {
    /// A file with one device.
    ///
    /// - Parameter extra: More members of the device, with a comma in front.
    static func device(_ name: String = "dsa0", groups: [String] = [], extra: String = "") -> String {
        """
        [{"dev":"\(name)", "read_buffer_limit":0\(extra), "groups":[\(groups.joined(separator: ", "))]}]
        """
    }

    /// A group with one WQ and one engine, both of its number.
    static func group(
        _ index: Int, workQueues: [String]? = nil, engines: [Int]? = nil, extra: String = ""
    ) -> String {
        let workQueues = (workQueues ?? [workQueue(index, group: index)]).joined(separator: ", ")
        let engines = (engines ?? [index]).map { #"{"dev":"engine0.\#($0)", "group_id":\#(index)}"# }
            .joined(separator: ", ")
        return """
            {"dev":"group0.\(index)", "read_buffers_reserved":0, "use_read_buffer_limit":0,
             "read_buffers_allowed":96\(extra),
             "grouped_workqueues":[\(workQueues)], "grouped_engines":[\(engines)]}
            """
    }

    /// A shared WQ of 16 entries; `changes` replace or, with "", remove members.
    static func workQueue(_ index: Int, group: Int = 0, changes: [String: String] = [:]) -> String {
        var members: [(String, String)] = [
            ("dev", "\"wq0.\(index)\""), ("mode", "\"shared\""), ("size", "16"), ("group_id", "\(group)"),
            ("priority", "10"), ("block_on_fault", "0"), ("max_batch_size", "32"), ("max_transfer_size", "2097152"),
            ("type", "\"user\""), ("name", "\"app\(index)\""), ("driver_name", "\"user\""), ("threshold", "15"),
        ]
        for (name, value) in changes.sorted(by: { $0.key < $1.key }) {
            members.removeAll { $0.0 == name }
            if !value.isEmpty { members.append((name, value)) }
        }
        return "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ", ") + "}"
    }

    /// A file with one WQ in one group.
    static func workQueue(with changes: [String: String]) -> String {
        device(groups: [group(0, workQueues: [workQueue(0, changes: changes)])])
    }
}
