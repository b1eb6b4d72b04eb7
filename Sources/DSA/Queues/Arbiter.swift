/// Chooses among the WQs of a group by priority (DSA 3.0 §3.4, dsa-device 6.5).
///
/// Each WQ has a counter loaded with its priority. The arbiter goes round the WQs; one with work and credit gives up a
/// descriptor and a credit. When no WQ that has work has credit, all counters are reloaded. Priority is a ratio: no WQ
/// starves.
struct Arbiter: Sendable {
    private struct Member: Sendable {
        let workQueue: Int
        let priority: UInt8
        var credit: UInt8
    }

    private var members: [Member] = []
    private var next = 0

    /// Takes a WQ that was enabled into the round, by its index, with full credit. The others keep their credit and
    /// their turn, so that their shares stay exact whoever joins.
    mutating func add(workQueue: Int, priority: UInt8) {
        let member = Member(workQueue: workQueue, priority: priority, credit: priority)
        let place = members.firstIndex { $0.workQueue >= workQueue } ?? members.count
        if place < members.count, members[place].workQueue == workQueue {
            members[place] = member
        } else {
            members.insert(member, at: place)
            if place < next { next += 1 }
        }
    }

    /// The next WQ to serve, or `nil` when none of the group has work.
    ///
    /// - Parameter work: Bit n is 1 when WQ n has a descriptor.
    mutating func choose(work: UInt64) -> Int? {
        for _ in 0..<2 {
            for _ in members.indices {
                let index = next
                next += 1
                if next == members.count { next = 0 }
                guard work >> UInt64(members[index].workQueue) & 1 == 1, members[index].credit > 0 else { continue }
                members[index].credit -= 1
                return members[index].workQueue
            }
            for index in members.indices { members[index].credit = members[index].priority }
            next = 0
        }
        return nil
    }
}
