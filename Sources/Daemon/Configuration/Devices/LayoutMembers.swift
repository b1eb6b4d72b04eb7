/// The members that `accel-config save-config` and `accel-config list` write, as of version 4.1, and the older names of
/// some. Those that only describe the machine they were written on are accepted and mean nothing here. A list of names
/// is one member under its present name and its older one.
enum LayoutMembers {
    /// A device's limit on the read buffers that some of its groups may use together; 0 is none. Read buffers bound the
    /// bandwidth of the hardware; here they bound nothing, but the device shows them and checks their rules.
    static let readBufferLimit = ["read_buffer_limit", "token_limit"]

    static let device = Set(
        readBufferLimit + [
            "dev", "groups", "ungrouped_engines", "ungrouped_workqueues", "ungrouped workqueues", "event_log_size",
            "state",
            // Facts about that machine.
            "cdev_major", "clients", "configurable", "errors", "gen_cap", "iaa_cap", "ims_size", "max_batch_size",
            "max_engines", "max_groups", "max_read_buffers", "max_tokens", "max_transfer_size", "max_work_queues",
            "max_work_queues_size", "numa_node", "op_cap", "pasid_enabled", "version", "work_queue_size",
        ])

    /// Read buffers that no other group gets.
    static let readBuffersReserved = ["read_buffers_reserved", "tokens_reserved"]

    /// The most read buffers that a group may occupy; 0 is all.
    static let readBuffersAllowed = ["read_buffers_allowed", "tokens_allowed"]

    /// Whether ``readBufferLimit`` holds for a group.
    static let useReadBufferLimit = ["use_read_buffer_limit", "use_token_limit"]

    /// Traffic classes tell links inside the hardware apart; -1 is unset.
    static let trafficClasses = ["traffic_class_a", "traffic_class_b"]

    /// How many descriptors an engine may have in progress, where GRPCAP offers it.
    static let progressLimits = ["desc_progress_limit", "batch_progress_limit"]

    static let group = Set(
        readBuffersReserved + readBuffersAllowed + useReadBufferLimit + trafficClasses + progressLimits + [
            "dev", "grouped_workqueues", "grouped_engines",
        ])

    static let workQueue: Set = [
        "dev", "mode", "size", "group_id", "priority", "block_on_fault", "max_batch_size", "max_transfer_size",
        "threshold", "type", "state", "ats_disable", "prs_disable", "op_config",
        // What the Linux driver calls the WQ and does with it.
        "name", "driver_name", "enqcmds_retries",
        // Facts about that machine.
        "cdev_minor", "clients", "occupancy",
    ]

    static let engine: Set = ["dev", "group_id"]
}
