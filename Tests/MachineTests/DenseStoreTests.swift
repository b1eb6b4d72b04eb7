import TestKit
import Testing

@testable import Machine

/// Counts its lives, which a value that could be copied could not.
private struct Counted: ~Copyable {
    final class Lives {
        var count = 0
    }

    let lives: Lives
    var value: UInt64

    init(_ value: UInt64, _ lives: Lives) {
        self.value = value
        self.lives = lives
        lives.count += 1
    }

    deinit {
        lives.count -= 1
    }
}

@Suite("Dense store")
struct DenseStoreTests {
    @Test(arguments: UInt64(0)..<20)
    func `It agrees with a dictionary, keeps indices while elements live and uses them again`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let lives = Counted.Lives()
        do {
            var store = DenseStore<Counted>()
            var model: [Int: UInt64] = [:]
            var highest = 0
            for _ in 0..<600 {
                if generator.oneIn(3), let index = model.keys.sorted().randomElement(using: &generator) {
                    let element = store.remove(index)
                    #expect(element.value == model.removeValue(forKey: index), "seed \(seed)")
                } else if generator.oneIn(4), let index = model.keys.sorted().randomElement(using: &generator) {
                    store[index].value &+= 1
                    model[index]! &+= 1
                } else {
                    let value = generator.next()
                    let index = store.insert(Counted(value, lives))
                    #expect(model[index] == nil, "seed \(seed)")
                    #expect(index <= highest, "an index is new only when none is free; seed \(seed)")
                    highest = max(highest, index + 1)
                    model[index] = value
                }
                #expect(store.count == model.count && lives.count == model.count, "seed \(seed)")
                #expect(store.indices == 0..<highest, "seed \(seed)")
                for index in -1...highest {
                    #expect(store.contains(index) == (model[index] != nil), "seed \(seed)")
                    if let value = model[index] { #expect(store[index].value == value, "seed \(seed)") }
                }
            }
        }
        #expect(lives.count == 0, "the store ends its elements")
    }
}
